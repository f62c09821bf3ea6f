"""One output file, brought whole or not at all: resumed where it broke off, checked, renamed into place."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from pathlib import Path, PurePosixPath

from orchestrator.backends.kaggle.client.api import KaggleApi
from orchestrator.kernel.files.digests import sha256_file
from orchestrator.kernel.wire import FileEntry

PARTIAL_SUFFIX = ".orchestrator-partial"
"""End of the name of a file that was begun."""
_FORBIDDEN = frozenset('\\:*?"<>|')
"""Characters that mean something else on Windows: a path with them could leave its folder there."""


def confined(path: str) -> bool:
    """Whether a path that the service names stays inside the folder it is joined to, on every system."""
    parts = PurePosixPath(path).parts
    inside = bool(parts) and not path.startswith("/") and ".." not in parts
    # Control characters reach no disk in the same way everywhere, half of a surrogate pair none at all.
    writable = not any(unicodedata.category(char) in ("Cc", "Cs") for char in path)
    return inside and writable and not _FORBIDDEN & set(path)


def agrees(path: Path, expected: FileEntry) -> bool:
    """Whether a file is there with the promised size and digest."""
    return path.is_file() and path.stat().st_size == expected.size_bytes and sha256_file(path) == expected.sha256


def download(
    gateway: KaggleApi, url: str, destination: Path, expected: FileEntry | None, *, most_bytes: int | None = None
) -> bool:
    """Bring one file; a broken transfer leaves its beginning for the next call.

    Args:
        expected: What the manifest or a card promises; None when there is no promise to hold it to.
        most_bytes: So many bytes are taken at most where there is no promise; None without a limit.

    Returns:
        False if what came is not what was promised, or more of it; nothing is left then.

    Raises:
        ServiceFault: The transfer broke.
        OSError: The file cannot be written here.
    """
    partial = _partial_of(destination)
    destination.parent.mkdir(parents=True, exist_ok=True)
    # Without a digest nothing shows whether an old beginning belongs to this file.
    offset = partial.stat().st_size if expected and partial.exists() else 0
    limit = expected.size_bytes if expected else most_bytes
    if expected is None or offset < expected.size_bytes or offset == 0:
        with gateway.download(url, offset) as (resumed, pieces), partial.open("ab" if resumed else "wb") as stream:
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
    """Where a file is written before it is whole; short, so that any name that can exist can also be begun."""
    name = hashlib.sha256(destination.name.encode()).hexdigest()[:16]
    return destination.with_name(f".{name}{PARTIAL_SUFFIX}")
