"""What a lock file that cannot be opened means."""

from __future__ import annotations

from pathlib import Path

from orchestrator.core.errors import BadInput
from orchestrator.kernel.files.storage import storage_trouble


def lock_fault(lock: Path, owner: str, fault: OSError) -> OSError | BadInput:
    """The failure for a lock file that cannot be opened; the fault itself where the disk is the reason.

    Args:
        owner: What it locks, e.g. `the models directory`.
    """
    if storage_trouble(fault) is not None:
        return fault
    what = "it is a folder" if lock.is_dir() else "it is a link" if lock.is_symlink() else fault.strerror or str(fault)
    if lock.exists() and not (lock.is_dir() or lock.is_file()):
        what = "it is no regular file"
    return BadInput(
        f"{lock} cannot be used as the lock of {owner}: {what}",
        remedy="Move it elsewhere, then run the same command again.",
    )
