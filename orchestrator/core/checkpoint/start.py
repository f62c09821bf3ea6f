"""Decides from the models directory where a run starts. `run` acts on it, `--dry-run` only shows it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from orchestrator.core.checkpoint.inventory import CheckpointInventory
from orchestrator.core.errors import BadInput
from orchestrator.core.ledger.records import SessionRecord, Stage


class StartMode(Enum):
    """What a run does with the models directory before its first session."""

    CONTINUE = "continue"
    """Continue from its newest verified checkpoint."""
    NEW = "new"
    """It is empty: start from step 0."""
    ARCHIVE_FRESH = "archive_fresh"
    """`--fresh`: archive everything, the user's own files included, and start from step 0."""
    ARCHIVE_LEFTOVERS = "archive_leftovers"
    """The user removed the checkpoints, which means a fresh start: archive best model, metadata and final model."""


def decide_start(view: CheckpointInventory, *, fresh: bool) -> StartMode:
    """Decide where the run starts.

    Raises:
        BadInput: There are checkpoints but none is usable; starting over without asking would lose them.
    """
    if fresh:
        there = view.verified or view.faults or view.leftovers or view.own
        return StartMode.ARCHIVE_FRESH if there else StartMode.NEW
    if view.verified:
        return StartMode.CONTINUE
    if view.faults:
        reasons = "; ".join(f"{stem}: {fault}" for stem, fault in view.faults.items())
        raise BadInput(
            f"no checkpoint in {view.root} is usable ({reasons})",
            remedy="Put the missing files back, or use --fresh: it moves everything to the archive and starts over. "
            "A model without a card cannot be resumed.",
        )
    return StartMode.ARCHIVE_LEFTOVERS if view.leftovers else StartMode.NEW


def has_only_recovered_checkpoints(sessions: Sequence[SessionRecord], steps_in_place: int) -> bool:
    """Whether the directory holds exactly what recovered sessions restored, which may be nothing.

    This separates a computer that never had the checkpoints from one whose user removed them. In the second case the
    ledger has pushed a session that started from some, or has seen more steps in place than there are now.

    Args:
        sessions: Of one lineage, in the order of their ledger entries.
        steps_in_place: Steps of the newest checkpoint in the models directory, 0 without one.
    """
    known = [one for one in sessions if not one.never_submitted]
    if not any(one.recovered for one in known) or not all(one.recovered or _left_nothing(one) for one in known):
        return False
    closed = [one.models_steps or 0 for one in known if one.stage is Stage.CLOSED]
    return (closed[-1] if closed else 0) == steps_in_place


def _left_nothing(record: SessionRecord) -> bool:
    """Whether a closed session neither started from a checkpoint nor left one."""
    return record.stage is Stage.CLOSED and not record.ticket["inputs"] and not record.models_steps
