"""Where a run starts, decided from the models directory, and how its checkpoints reach a session."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import Enum
from functools import cache
from pathlib import Path

from orchestrator.core.checkpoint.inventory import CheckpointInventory
from orchestrator.core.errors import BadInput
from orchestrator.core.ledger.records import SessionRecord, Stage
from orchestrator.core.session.backend_types import Carrier, CheckpointSet
from orchestrator.kernel.session.manifest import Manifest
from orchestrator.kernel.wire import FileEntry, models_path


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


_NOWHERE = Path()


def choose_carrier(
    checkpoints: CheckpointSet,
    *,
    offered: Collection[Carrier],
    failed: Collection[Carrier] = (),
    fits_inline: bool,
) -> Carrier:
    """Choose how one session gets its checkpoints.

    Args:
        offered: Carriers of the backend.
        failed: Carriers of earlier attempts at this session whose files did not arrive. After any failure only
            `dataset` is used, even if it failed itself: a new version may have been mounted late.
        fits_inline: Whether the script with the checkpoints inside stays within the backend's limit.

    Returns:
        `none` without checkpoints, else the first available of `inline` (one request for everything),
        `kernel_output` (nothing is uploaded) and `dataset`.

    Raises:
        BadInput: None is available.
    """
    if not checkpoints.entries:
        return Carrier.NONE
    available = {
        Carrier.INLINE: fits_inline and not failed,
        Carrier.KERNEL_OUTPUT: checkpoints.source is not None and not failed,
        Carrier.DATASET: True,
    }
    for carrier, usable in available.items():
        if usable and carrier in offered:
            return carrier
    raise BadInput(
        f"{checkpoints.size_bytes} bytes of checkpoints cannot be sent to a session of this backend",
        remedy="Choose another backend with --backend, or start over with --fresh.",
    )


def manifest_holds(manifest: Manifest, section_dir: str, entries: Collection[FileEntry]) -> bool:
    """Whether a session's outputs hold all of these files, with equal digests.

    Args:
        section_dir: The section's folder in the outputs.
        entries: Files of a models directory, paths relative to it.
    """
    prefix = _models_prefix(section_dir)
    there = {(entry.path, entry.sha256, entry.size_bytes) for entry in manifest.files}
    return all((f"{prefix}/{entry.path}", entry.sha256, entry.size_bytes) in there for entry in entries)


@cache  # called for each earlier session of a lineage
def _models_prefix(section_dir: str) -> str:
    return models_path(_NOWHERE, section_dir).as_posix()


def inline_bytes(size_bytes: int, files: int) -> int:
    """Upper bound of the bytes that checkpoints add to a script: base64 with line ends, a zip header per file."""
    return (size_bytes + 512 * (files + 1)) * 138 // 100
