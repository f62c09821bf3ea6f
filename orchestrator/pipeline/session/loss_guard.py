"""Guard against training again from step 0 because checkpoints of recovered sessions were lost."""

from __future__ import annotations

from pathlib import Path

from orchestrator.core.checkpoint.inventory import CheckpointInventory
from orchestrator.core.checkpoint.start import has_only_recovered_checkpoints
from orchestrator.core.errors import BadInput
from orchestrator.core.ledger.records import SessionRecord, Stage
from orchestrator.kernel.wire import Ticket, checkpoint_steps
from orchestrator.pipeline.context import RunContext


def has_only_recovered(context: RunContext, lineage_id: str, steps_in_place: int) -> bool:
    """Whether all that is in place comes from recovered sessions, and the user asked for no fresh start."""
    if any(run.fresh for run in context.ledger.runs(lineage_id)):
        return False
    return has_only_recovered_checkpoints(context.ledger.sessions(lineage_id), steps_in_place)


def loss_of_recovered(context: RunContext, lineage_id: str, view: CheckpointInventory) -> BadInput | None:
    """Why this is no fresh start: recovered sessions had steps, and none of their checkpoints is in place.

    `--fresh` is how a user says that a fresh start is meant.
    """
    if view.latest is not None or not has_only_recovered(context, lineage_id, 0):
        return None
    lost = [
        one
        for one in context.ledger.sessions(lineage_id)
        if one.stage is Stage.CLOSED and one.recovered and _had_steps(context, one)
    ]
    if not lost:
        return None
    steps = max(_steps_of(one) for one in lost)
    reached = f"up to {steps} steps, and" if steps else "with checkpoints, and"
    return BadInput(
        f"{len(lost)} session(s) of this training were read back from {context.backend.name}, {reached} none of their "
        f"checkpoints could be put in place (the newest is {lost[-1].slug}): it would train again from step 0",
        remedy=f"Copy its checkpoints into {view.root.as_posix()} to continue from them; "
        "or start over on purpose: `run ... --fresh`.",
    )


def _had_steps(context: RunContext, record: SessionRecord) -> bool:
    if _steps_of(record) > 0:
        return True
    # A killed session left no manifest; a damaged checkpoint of its own shows that it had trained.
    ticket = Ticket.from_json(record.ticket)
    return record.results_dir is not None and bool(context.results.incoming(Path(record.results_dir), ticket).faults)


def _steps_of(record: SessionRecord) -> int:
    """Steps that a session reported, or started from."""
    given = [checkpoint_steps(Path(entry["path"]).stem) or 0 for entry in record.ticket["inputs"]]
    return max(record.steps_done or 0, record.steps_start or 0, *given, 0)
