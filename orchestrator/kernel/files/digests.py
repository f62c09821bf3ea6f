"""sha256 of files and of folders: the same digests on every system."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from orchestrator.kernel.wire import FileEntry

_CHUNK_BYTES = 1 << 20


def sha256_file(path: Path) -> str:
    """Hex sha256 of a file's bytes, read in chunks."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def tree_digest(members: Mapping[str, bytes]) -> str:
    """Digest over the names and bytes of a code tree.

    It does not depend on file times or on the zip, since compressors differ between systems.

    Args:
        members: POSIX name -> content.
    """
    digest = hashlib.sha256()
    for name in sorted(members):
        content = members[name]
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def read_tree(root: Path) -> dict[str, bytes]:
    """All files under a folder as POSIX name -> content, for `tree_digest`."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def file_entry(path: Path, relative_to: Path) -> FileEntry:
    """Describe one file by its path under `relative_to`, size and sha256."""
    return FileEntry(
        path=path.relative_to(relative_to).as_posix(),
        size_bytes=path.stat().st_size,
        sha256=sha256_file(path),
    )


def first_fault(entries: Iterable[FileEntry], root: Path) -> str | None:
    """The first difference between the described files and those under `root`, None if every byte agrees."""
    for entry in entries:
        path = root / entry.path
        if not path.is_file():
            return f"{entry.path} is missing"
        if path.stat().st_size != entry.size_bytes:
            return f"{entry.path} has {path.stat().st_size} bytes instead of {entry.size_bytes}"
        if sha256_file(path) != entry.sha256:
            return f"{entry.path} does not have its sha256"
    return None
