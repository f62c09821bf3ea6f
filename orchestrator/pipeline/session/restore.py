"""Put the verified checkpoints of a session into the models directory."""

from __future__ import annotations

import functools
from collections.abc import Collection
from pathlib import Path

from orchestrator.core.checkpoint.inventory import CheckpointInventory, FetchedCheckpoints, in_the_way
from orchestrator.core.checkpoint.log_messages import (
    TAG,
    RestoredFile,
    nothing_found,
    restoration,
    unusable,
    walked_back,
)
from orchestrator.core.checkpoint.start import has_only_recovered_checkpoints
from orchestrator.core.errors import BadInput
from orchestrator.core.ledger.records import SessionRecord, Stage, session_key
from orchestrator.core.session.settling import stem_of_file
from orchestrator.kernel.wire import CHECKPOINTS, MODEL_SUFFIX, Ticket, checkpoint_steps
from orchestrator.pipeline.context import RunContext


def restore_checkpoints_for_next_run(context: RunContext, ticket: Ticket, folder: Path) -> tuple[str, ...]:
    """Restore the checkpoints of a session if they are ahead of those in place: the entry for scripts.

    Args:
        ticket: The session's.
        folder: Its results folder.

    Returns:
        Names of the checkpoint files put in place; empty when there was nothing to do.
    """
    return restore(context, ticket, folder, context.models.view())[0]


def up_to_date(context: RunContext, inventory: CheckpointInventory) -> CheckpointInventory:
    """What is in place now: the models directory is surveyed again only if a file may have changed."""
    return inventory if context.models.unchanged(inventory) else context.models.view()


def restore(
    context: RunContext, ticket: Ticket, folder: Path, before: CheckpointInventory
) -> tuple[tuple[str, ...], CheckpointInventory]:
    """Restore the checkpoints of a session if they are ahead of those in place.

    Args:
        before: What was in place when it was last surveyed.

    Returns:
        Names of the checkpoint files put in place, and what is in place then.
    """
    before = up_to_date(context, before)
    incoming = context.results.incoming(folder, ticket)
    if not incoming.verified:
        context.warn("nothing_restored", *unusable(incoming.faults), *nothing_found(folder.as_posix()))
        return (), before
    if incoming.faults:
        context.warn("walked_back", *walked_back(incoming.faults, incoming.verified[0].stem + MODEL_SUFFIX))
    if not _may_restore(context, ticket, incoming, before, folder):
        return (), before
    after = context.models.replace_with(incoming, folder.name, before).inventory
    if before.own:
        moved = set(after.archived) - set(before.archived)
        context.warn("moved_aside", *in_the_way(sorted(moved)))
    files = restored_files(incoming)
    context.detail("restored", *restoration(files))
    return tuple(file.name for file in files), after


def _may_restore(
    context: RunContext, ticket: Ticket, incoming: FetchedCheckpoints, view: CheckpointInventory, folder: Path
) -> bool:
    """Whether the checkpoints of a session may replace those in place; reports why not."""
    # Recovered sessions may lack kernels in between: the newest counts, whatever it was started from.
    recovered = functools.partial(has_only_recovered, context, ticket.lineage_id, view.steps)
    emptied = context.waits and view.exists  # else they are missing, and were not removed on purpose
    if ticket.inputs and not view.verified and not view.faults and emptied and not recovered():
        context.warn(
            "emptied_meanwhile",
            f"{TAG} The models directory was emptied during the session: nothing is restored into it",
        )
        return False
    if not _ahead(incoming, view):
        context.detail("kept_in_place", f"{TAG} Checkpoints in place are as new as those of the session: kept")
        return False
    if not (_continues(ticket, view) or recovered() or _descends(context, ticket, incoming, view)):
        context.warn(
            "others_in_place",
            f"{TAG} ⚠️  Other checkpoints were put in place during the session: kept ({view.steps} steps)",
            f"{TAG} Those of the session ({incoming.steps} steps) stay in {folder.as_posix()}",
        )
        return False
    return True


def _continues(ticket: Ticket, view: CheckpointInventory) -> bool:
    """Whether every usable checkpoint in place is an input of the session, or an earlier checkpoint of its own.

    One of its own is in place if the newest could not be fetched at first.
    """
    given = {(entry.path, entry.sha256) for entry in ticket.inputs}
    own = {card.stem for card in view.verified if all(card.stamp.get(key) == to for key, to in ticket.stamp().items())}
    in_place = {(entry.path, entry.sha256) for entry in view.entries if not _is_of(entry.path, own)}
    return {entry for entry in in_place if entry[0].startswith(f"{CHECKPOINTS}/")} <= given


def _is_of(path: str, stems: Collection[str]) -> bool:
    """Whether a file belongs to one of these checkpoints."""
    return stem_of_file(path.rpartition("/")[2]) in stems


def _descends(context: RunContext, ticket: Ticket, incoming: FetchedCheckpoints, view: CheckpointInventory) -> bool:
    """Whether a session continues what is in place, through other sessions that may be deleted or lost.

    Under the user's own `run` this holds only for a recovered session: beside one that was pushed from here, other
    checkpoints in place are the user's choice.
    """
    record = context.ledger.session(session_key(ticket.run_id, ticket.session, ticket.attempt))
    if record is None or view.latest is None or (context.waits and not record.recovered):
        return False
    return view.latest.digest in {ancestor.digest for ancestor in incoming.verified[0].ancestry}


def _ahead(incoming: FetchedCheckpoints, view: CheckpointInventory) -> bool:
    if incoming.steps != view.steps:
        return incoming.steps > view.steps
    in_place = {(entry.path, entry.sha256) for entry in view.entries}
    return any((entry.path, entry.sha256) not in in_place for entry in incoming.entries)


def restored_files(incoming: FetchedCheckpoints) -> tuple[RestoredFile, ...]:
    """The checkpoints that were put in place, oldest first, for the users' log lines."""
    names = {f"{CHECKPOINTS}/{card.stem}{MODEL_SUFFIX}" for card in incoming.verified}
    chosen = [entry for entry in reversed(incoming.entries) if entry.path in names]
    return tuple(RestoredFile(name=entry.path.rpartition("/")[2], size_bytes=entry.size_bytes) for entry in chosen)


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
