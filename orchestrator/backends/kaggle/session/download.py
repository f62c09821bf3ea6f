"""Downloads one output file: resumed after an interruption, checked, then renamed into place."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from pathlib import Path, PurePosixPath

from orchestrator.backends.kaggle.client.api import KaggleApi
from orchestrator.backends.kaggle.client.errors import ServiceFault
from orchestrator.kernel.files.atomic import MOST_FOLDERS
from orchestrator.kernel.files.digests import sha256_file
from orchestrator.kernel.wire import FileEntry

PARTIAL_SUFFIX = ".orchestrator-partial"
"""End of the name of an incomplete file."""
_FORBIDDEN = frozenset('\\:*?"<>|')
"""Characters with a special meaning on Windows, where a path with them could leave its folder."""
_RESERVED = re.compile(r"(con|prn|aux|nul|com[1-9]|lpt[1-9])(\..*)?|.*[ .]", re.IGNORECASE | re.DOTALL)
"""Names that Windows gives to devices, or changes when it creates the file.

Source: Microsoft, Naming Files, Paths, and Namespaces.
"""
MOST_BYTES = 20 * 10**9
"""Kaggle keeps at most 20 GB of outputs; whatever claims or sends more is damaged or forged."""


def confined(path: str, *, windows: bool = os.name == "nt") -> bool:
    """Whether a path from the service stays inside the folder that it is joined to, on every system.

    Args:
        windows: Whether the names that only Windows reserves are refused too.
    """
    parts = PurePosixPath(path).parts
    inside = 0 < len(parts) <= MOST_FOLDERS and not path.startswith("/") and ".." not in parts
    # Control characters do not work on every file system, half a surrogate pair on none.
    writable = not any(unicodedata.category(char) in ("Cc", "Cs") for char in path)
    reserved = windows and any(_RESERVED.fullmatch(part) for part in parts)
    return inside and writable and not reserved and not _FORBIDDEN & set(path)


def agrees(path: Path, expected: FileEntry) -> bool:
    """Whether a file exists with the expected size and digest."""
    return path.is_file() and path.stat().st_size == expected.size_bytes and sha256_file(path) == expected.sha256


def download(
    api: KaggleApi, url: str, destination: Path, expected: FileEntry | None, *, most_bytes: int = MOST_BYTES
) -> bool:
    """Download one file; an interrupted transfer leaves its beginning for the next call.

    Whatever the service sends, no more than the promised size is written.

    Args:
        expected: Size and digest from the manifest or a card; None if neither describes the file.
        most_bytes: Limit for a file without a description.

    Returns:
        False if the file does not agree with its description or exceeds the limit; it is then deleted.

    Raises:
        ServiceFault: The transfer broke.
        OSError: The file cannot be written here.
    """
    partial = partial_of(destination)
    destination.parent.mkdir(parents=True, exist_ok=True)
    # Without a digest it is unknown whether an older beginning belongs to this file.
    offset = partial.stat().st_size if expected and partial.exists() else 0
    limit = expected.size_bytes if expected else most_bytes
    if limit > MOST_BYTES:
        return False  # its description cannot be true
    if expected is None or offset < expected.size_bytes or offset == 0:
        try:
            size_bytes = _transfer(api, url, partial, offset, limit)
        except ServiceFault as fault:
            if not fault.transient:
                partial.unlink(missing_ok=True)  # the service does not continue it: the next call begins again
            raise
        if size_bytes > limit:
            partial.unlink()
            return False
    if expected is not None and not agrees(partial, expected):
        partial.unlink()
        return False
    os.replace(partial, destination)
    return True


def _transfer(api: KaggleApi, url: str, partial: Path, offset: int, limit: int) -> int:
    """Append to an incomplete file, or write it from the start; returns its size, above the limit if more was sent."""
    with api.download(url, offset) as (resumed, pieces), partial.open("ab" if resumed else "wb") as stream:
        size_bytes = offset if resumed else 0
        for piece in pieces:
            size_bytes += len(piece)
            if size_bytes > limit:
                break
            stream.write(piece)
    return size_bytes


def partial_of(destination: Path) -> Path:
    """Path of the incomplete file; its name is short, so that every valid file name also has a valid partial name."""
    name = hashlib.sha256(destination.name.encode()).hexdigest()[:16]
    return destination.with_name(f".{name}{PARTIAL_SUFFIX}")
