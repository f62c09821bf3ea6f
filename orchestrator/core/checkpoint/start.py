"""Where a run starts, decided from what the models directory holds. `run` acts on it, `--dry-run` only shows it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from orchestrator.core.checkpoint.inventory import CheckpointInventory
from orchestrator.core.errors import BadInput
from orchestrator.core.ledger.records import SessionRecord, Stage


class StartMode(Enum):
    """What is done with the models directory before the first session."""

    CONTINUE = "continue"
    """Its newest verified checkpoint is gone on from."""
    NEW = "new"
    """It is empty."""
    ARCHIVE_FRESH = "archive_fresh"
    """`--fresh`: everything is put aside, the user's own files included."""
    ARCHIVE_LEFTOVERS = "archive_leftovers"
    """The checkpoints were removed by hand, which means a new beginning; best model and the like are put aside."""


def decide_start(view: CheckpointInventory, *, fresh: bool) -> StartMode:
    """Decide.

    Raises:
        BadInput: There are checkpoints and none is usable: beginning anew in silence would lose them.
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
    """Whether what is in place is what recovered sessions brought, be it nothing: nobody has emptied or filled it.

    The difference between a computer that never had the checkpoints and one whose user removed them: the latter's
    ledger has pushed a session that started from some, or has seen more steps in place than there are.

    Args:
        sessions: Of one lineage, in the order in which they were written down.
        steps_in_place: Steps of the newest checkpoint in the models directory, 0 without one.
    """
    known = [one for one in sessions if not one.never_submitted]
    if not any(one.recovered for one in known) or not all(one.recovered or _left_nothing(one) for one in known):
        return False
    closed = [one.models_steps or 0 for one in known if one.stage is Stage.CLOSED]
    return (closed[-1] if closed else 0) == steps_in_place


def _left_nothing(record: SessionRecord) -> bool:
    """Whether a session of this ledger's own neither started from a checkpoint nor brought one."""
    return record.stage is Stage.CLOSED and not record.ticket["inputs"] and not record.models_steps
