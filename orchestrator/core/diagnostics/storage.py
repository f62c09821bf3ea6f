"""Causes and remedies for files that cannot be written or read on this computer."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.core.errors import StorageFault
from orchestrator.kernel.files.storage import StorageTrouble

_CAUSES: Mapping[StorageTrouble, str] = {
    StorageTrouble.FULL: "the disk is full",
    StorageTrouble.READ_ONLY: "the file system or folder is read-only",
    StorageTrouble.DENIED: "permission denied",
    StorageTrouble.TOO_LARGE: "a file would be larger than this system allows",
    StorageTrouble.TOO_MANY_OPEN: "too many files are open",
    StorageTrouble.BROKEN: "the disk could not be read or written",
}
_REMEDIES: Mapping[StorageTrouble, str] = {
    StorageTrouble.FULL: "Free disk space there (or raise your quota)",
    StorageTrouble.READ_ONLY: "Make the folder writable, or work in a copy of the project",
    StorageTrouble.DENIED: "Change the permissions of the file or of its folder",
    StorageTrouble.TOO_LARGE: "Raise the limit of file sizes (`ulimit -f`), or use another disk",
    StorageTrouble.TOO_MANY_OPEN: "Close other programs, or raise the limit (`ulimit -n`)",
    StorageTrouble.BROKEN: "Check the disk and its cables or mount",
}


def storage_fault(trouble: StorageTrouble, place: str, free: str = "") -> StorageFault:
    """The failure with its cause and remedy.

    Args:
        place: File or folder; empty if unknown.
        free: Free space there, e.g. `12.3 MB free`; shown for a full disk only.
    """
    where = f": {place}" if place else ""
    room = f" ({free})" if free and trouble is StorageTrouble.FULL else ""
    return StorageFault(
        f"{_CAUSES[trouble]}{where}{room}",
        remedy=f"{_REMEDIES[trouble]}, then run the same command again: it continues, and nothing is lost.",
    )
