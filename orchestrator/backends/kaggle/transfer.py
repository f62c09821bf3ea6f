"""One output file, brought whole or not at all: resumed where it broke off, checked, renamed into place."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from kernel_templates.kernel_runtime.digests import sha256_file
from kernel_templates.kernel_runtime.wire import FileEntry
from orchestrator.backends.kaggle.gateway import Gateway

_PARTIAL_SUFFIX = ".orchestrator-partial"
_FORBIDDEN = frozenset('\\:*?"<>|')
"""Characters that mean something else on Windows: a path with them could leave its folder there."""


def confined(path: str) -> bool:
    """Whether a path that the service names stays inside the folder it is joined to, on every system."""
    parts = PurePosixPath(path).parts
    return bool(parts) and not path.startswith("/") and ".." not in parts and not _FORBIDDEN & set(path)


def agrees(path: Path, expected: FileEntry) -> bool:
    """Whether a file is there with the promised size and digest."""
    return path.is_file() and path.stat().st_size == expected.size_bytes and sha256_file(path) == expected.sha256


def download(gateway: Gateway, url: str, destination: Path, expected: FileEntry | None) -> bool:
    """Bring one file; a broken transfer leaves its beginning for the next call.

    Args:
        expected: What the manifest promises; None when there is no promise to hold it to.

    Returns:
        False if what came is not what was promised; nothing is left then.

    Raises:
        ServiceFault: The transfer broke.
    """
    partial = destination.with_name(f".{destination.name}{_PARTIAL_SUFFIX}")
    destination.parent.mkdir(parents=True, exist_ok=True)
    # Without a digest nobody could tell whether an old beginning belongs to this file.
    offset = partial.stat().st_size if expected and partial.exists() else 0
    if expected is None or offset < expected.size_bytes or offset == 0:
        with gateway.download(url, offset) as (resumed, pieces), partial.open("ab" if resumed else "wb") as stream:
            for piece in pieces:
                stream.write(piece)
    if expected is not None and not agrees(partial, expected):
        partial.unlink()
        return False
    os.replace(partial, destination)
    return True
