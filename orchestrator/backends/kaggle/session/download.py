"""Downloads one output file: resumed after an interruption, checked, then renamed into place."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from pathlib import Path, PurePosixPath

from orchestrator.backends.kaggle.client.api import KaggleApi
from orchestrator.kernel.files.digests import sha256_file
from orchestrator.kernel.wire import FileEntry

PARTIAL_SUFFIX = ".orchestrator-partial"
"""End of the name of an incomplete file."""
_FORBIDDEN = frozenset('\\:*?"<>|')
"""Characters with a special meaning on Windows, where a path with them could leave its folder."""


def confined(path: str) -> bool:
    """Whether a path from the service stays inside the folder that it is joined to, on every system."""
    parts = PurePosixPath(path).parts
    inside = bool(parts) and not path.startswith("/") and ".." not in parts
    # Control characters do not work on every file system, half a surrogate pair on none.
    writable = not any(unicodedata.category(char) in ("Cc", "Cs") for char in path)
    return inside and writable and not _FORBIDDEN & set(path)


def agrees(path: Path, expected: FileEntry) -> bool:
    """Whether a file exists with the expected size and digest."""
    return path.is_file() and path.stat().st_size == expected.size_bytes and sha256_file(path) == expected.sha256


def download(
    api: KaggleApi, url: str, destination: Path, expected: FileEntry | None, *, most_bytes: int | None = None
) -> bool:
    """Download one file; an interrupted transfer leaves its beginning for the next call.

    Args:
        expected: Size and digest from the manifest or a card; None if neither describes the file.
        most_bytes: Limit for a file without a description; None for no limit.

    Returns:
        False if the file does not agree with its description or exceeds the limit; it is then deleted.

    Raises:
        ServiceFault: The transfer broke.
        OSError: The file cannot be written here.
    """
    partial = _partial_of(destination)
    destination.parent.mkdir(parents=True, exist_ok=True)
    # Without a digest it is unknown whether an older beginning belongs to this file.
    offset = partial.stat().st_size if expected and partial.exists() else 0
    limit = expected.size_bytes if expected else most_bytes
    if expected is None or offset < expected.size_bytes or offset == 0:
        with api.download(url, offset) as (resumed, pieces), partial.open("ab" if resumed else "wb") as stream:
            size_bytes = offset if resumed else 0
            for piece in pieces:
                size_bytes += len(piece)
                if limit is not None and size_bytes > limit:
                    break
                stream.write(piece)
        if limit is not None and size_bytes > limit:
            partial.unlink()
            return False
    if expected is not None and not agrees(partial, expected):
        partial.unlink()
        return False
    os.replace(partial, destination)
    return True


def _partial_of(destination: Path) -> Path:
    """Path of the incomplete file; its name is short, so that every valid file name also has a valid partial name."""
    name = hashlib.sha256(destination.name.encode()).hexdigest()[:16]
    return destination.with_name(f".{name}{PARTIAL_SUFFIX}")
