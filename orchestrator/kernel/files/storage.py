"""Whether an exception means that files cannot be written or read, and why. Used in sessions and here.

The reason is often hidden in the chain of exceptions, for instance when a library raises its own error on a full disk.
"""

from __future__ import annotations

import errno
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path


class StorageTrouble(StrEnum):
    """Why files cannot be written or read."""

    FULL = "full"
    READ_ONLY = "read_only"
    DENIED = "denied"
    TOO_LARGE = "too_large"
    TOO_MANY_OPEN = "too_many_open"
    BROKEN = "broken"


_OF_ERRNO: Mapping[int, StorageTrouble] = {
    errno.ENOSPC: StorageTrouble.FULL,
    errno.EDQUOT: StorageTrouble.FULL,
    errno.EFBIG: StorageTrouble.TOO_LARGE,
    errno.EROFS: StorageTrouble.READ_ONLY,
    errno.EACCES: StorageTrouble.DENIED,
    errno.EPERM: StorageTrouble.DENIED,
    errno.EMFILE: StorageTrouble.TOO_MANY_OPEN,
    errno.ENFILE: StorageTrouble.TOO_MANY_OPEN,
    errno.EIO: StorageTrouble.BROKEN,
}
# Primary result codes, https://www.sqlite.org/rescode.html: PERM, READONLY, IOERR, FULL, CANTOPEN.
_OF_SQLITE: Mapping[int, StorageTrouble] = {
    3: StorageTrouble.DENIED,
    8: StorageTrouble.READ_ONLY,
    10: StorageTrouble.BROKEN,
    13: StorageTrouble.FULL,
    14: StorageTrouble.DENIED,
}
_IN_WORDS = re.compile(r"\[Errno (\d+)\]")
_FULL_IN_WORDS = re.compile(
    r"no space left on device|disk quota exceeded|disk is full|not enough space on the disk"
    # torch's messages when its stream cannot be written; they do not contain the system's reason.
    r"|PytorchStreamWriter failed writing|unexpected pos \d+ vs \d+",
    re.IGNORECASE,
)


def storage_trouble(fault: BaseException) -> StorageTrouble | None:
    """Why files cannot be written or read, None if the exception has another reason.

    A full disk counts anywhere in the chain of exceptions, since errors raised while it is handled follow from it.
    The other reasons count only in the exception itself or in its explicit causes (`raise ... from`).
    """
    chain = list(_chain(fault, set()))
    if any(_own_trouble(one) is StorageTrouble.FULL for one in chain):
        return StorageTrouble.FULL
    stated: BaseException | None = fault
    while stated is not None:
        if (trouble := _own_trouble(stated)) is not None:
            return trouble
        stated = stated.__cause__
    return None


def is_full(fault: BaseException) -> bool:
    """Whether there was no room to write: full disk, used-up quota, or file size limit."""
    return storage_trouble(fault) in (StorageTrouble.FULL, StorageTrouble.TOO_LARGE)


def storage_path(fault: BaseException) -> Path | None:
    """The file that could not be written or read, None if no exception in the chain names one."""
    for one in _chain(fault, set()):
        if isinstance(one, shutil.Error) and one.args and isinstance(one.args[0], list) and one.args[0]:
            return Path(str(one.args[0][0][1]))  # the destination of the first file that could not be copied
        if isinstance(one, OSError) and one.filename and _own_trouble(one) is not None:
            name = one.filename
            return Path(name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name))
    return None


def free_text(path: Path) -> str:
    """Free space on the disk of a path, as `12.3 MB free`; empty if it cannot be read."""
    try:
        folder = path.absolute()
        while not folder.exists():
            folder = folder.parent
        return f"{shutil.disk_usage(folder).free / 1e6:.1f} MB free"
    except OSError:
        return ""


WINDOWS_PATH_CHARS = 259
"""Longest path on Windows, unless long paths are enabled there. Source: Microsoft, Maximum Path Length Limitation."""


def path_limit() -> int | None:
    """Characters of the longest path on this computer; None where the limit is far beyond any path of ours."""
    if sys.platform == "win32":
        import winreg

        try:
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"SYSTEM\CurrentControlSet\Control\FileSystem") as key:
                return None if winreg.QueryValueEx(key, "LongPathsEnabled")[0] else WINDOWS_PATH_CHARS
        except OSError:
            return WINDOWS_PATH_CHARS  # the value is absent in older versions
    return None


def _chain(fault: BaseException, seen: set[int]) -> Iterator[BaseException]:
    if id(fault) in seen:
        return
    seen.add(id(fault))
    yield fault
    grouped = fault.exceptions if isinstance(fault, BaseExceptionGroup) else ()
    for one in (fault.__cause__, fault.__context__, *grouped):
        if one is not None:
            yield from _chain(one, seen)


def _own_trouble(fault: BaseException) -> StorageTrouble | None:
    if isinstance(fault, shutil.Error):  # raised for a whole folder; holds the texts of all errors, not their numbers
        numbers = [int(number) for number in _IN_WORDS.findall(str(fault))]
        found = {_OF_ERRNO[number] for number in numbers if number in _OF_ERRNO}
        return StorageTrouble.FULL if StorageTrouble.FULL in found else next(iter(sorted(found)), None)
    if isinstance(fault, OSError) and fault.errno is not None:
        return _OF_ERRNO.get(fault.errno)
    code = getattr(fault, "sqlite_errorcode", None)
    if isinstance(code, int):
        return _OF_SQLITE.get(code & 0xFF)
    return StorageTrouble.FULL if isinstance(fault, RuntimeError) and _FULL_IN_WORDS.search(str(fault)) else None
