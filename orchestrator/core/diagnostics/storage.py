"""Causes and remedies for files that cannot be written or read on this computer."""

from __future__ import annotations

import errno
from collections.abc import Mapping

from orchestrator.core.errors import StorageFault
from orchestrator.kernel.files.storage import WINDOWS_PATH_CHARS, StorageTrouble

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


_TOO_LONG = ("the path is too long for this system", "Move the project to a folder with a shorter path")
_ABSENT = ("a file or folder is not there", "Put it back, or correct the path or the link to it")
_IN_THE_WAY = ("something else has the name of a file or folder that is needed", "Move it away")
_BAD_NAME = ("this system does not allow the name", "Rename it")
_OF_NAMES: Mapping[int, tuple[str, str]] = {
    errno.ENAMETOOLONG: _TOO_LONG,
    errno.ELOOP: ("a link leads back to itself", "Correct or remove the link"),
    **dict.fromkeys((errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.ESTALE), _ABSENT),
    **dict.fromkeys((errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY), _IN_THE_WAY),
    **dict.fromkeys((errno.EINVAL, errno.EILSEQ), _BAD_NAME),
}
_WINDOWS_PATH_NOT_FOUND, _WINDOWS_NAME_TOO_LONG = 3, 206


def long_path_fault(root: str, inner_chars: int, limit: int | None) -> StorageFault | None:
    """The failure for a project whose files would have paths beyond the limit of Windows, None if all fit.

    Args:
        root: The project's folder.
        inner_chars: Characters of the longest path below it.
        limit: Characters of the longest path, None without a limit.
    """
    if limit is None or len(root) <= (most := limit - inner_chars - 1):
        return None
    return StorageFault(
        f"{_TOO_LONG[0]}: {root} has {len(root)} characters, and Windows leaves {most} for the project's folder",
        remedy="Move it to a folder with a shorter path, or enable long paths in Windows: "
        "https://learn.microsoft.com/windows/win32/fileio/maximum-file-path-limitation",
    )


def file_fault(fault: BaseException) -> StorageFault | None:
    """The failure for a named file or folder that the system refuses to use, None for any other exception."""
    while not isinstance(fault, OSError) or fault.filename is None:
        if fault.__cause__ is None:
            return None
        fault = fault.__cause__
    cause, remedy = _OF_NAMES.get(fault.errno or 0, (str(fault.strerror or fault), "Check that file or folder"))
    if is_too_long(fault):
        cause, remedy = _TOO_LONG
    return StorageFault(f"{cause}: {fault.filename}", remedy=f"{remedy}, then run the same command again.")


def is_too_long(fault: OSError) -> bool:
    """Whether a path is too long. Windows reports some of these paths as not found."""
    number = getattr(fault, "winerror", None)
    long = number == _WINDOWS_PATH_NOT_FOUND and len(str(fault.filename)) >= WINDOWS_PATH_CHARS - 12
    return fault.errno == errno.ENAMETOOLONG or number == _WINDOWS_NAME_TOO_LONG or long
