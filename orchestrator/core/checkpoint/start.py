"""Where a run starts, decided from what the models directory holds. `run` acts on it, `--dry-run` only shows it."""

from __future__ import annotations

from enum import Enum

from orchestrator.core.checkpoint.inventory import CheckpointInventory
from orchestrator.core.errors import BadInput


class Start(Enum):
    """What is done with the models directory before the first session."""

    CONTINUE = "continue"
    """Its newest verified checkpoint is gone on from."""
    NEW = "new"
    """It is empty."""
    ARCHIVE_FRESH = "archive_fresh"
    """`--fresh`: everything is put aside, the user's own files included."""
    ARCHIVE_LEFTOVERS = "archive_leftovers"
    """The checkpoints were removed by hand, which means a new beginning; best model and the like are put aside."""


def decide_start(view: CheckpointInventory, *, fresh: bool) -> Start:
    """Decide.

    Raises:
        BadInput: There are checkpoints and none is usable: beginning anew in silence would lose them.
    """
    if fresh:
        there = view.verified or view.faults or view.leftovers or view.own
        return Start.ARCHIVE_FRESH if there else Start.NEW
    if view.verified:
        return Start.CONTINUE
    if view.faults:
        reasons = "; ".join(f"{stem}: {fault}" for stem, fault in view.faults.items())
        raise BadInput(
            f"no checkpoint in {view.root} is usable ({reasons})",
            remedy="Put the missing files back, or use --fresh: it moves everything to the archive and starts over. "
            "A model without a card cannot be resumed.",
        )
    return Start.ARCHIVE_LEFTOVERS if view.leftovers else Start.NEW
