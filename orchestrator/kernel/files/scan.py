"""Lists the files below the folders that a platform mounted, each real file once."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.kernel.files.atomic import walk

MAX_FILES = 50_000
"""Limit on listed files, so that a large dataset mounted beside the checkpoints does not use up the session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MountedFile:
    """One file: its path, its POSIX path relative to the mount's parent folder, and its size."""

    path: Path
    name: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mounted:
    """Files below the mounted folders.

    Attributes:
        files: In the order of the given folders, then by path.
        skipped: Paths that were not read, and why.
        cut: Whether the list stops at the limit of files.
    """

    files: tuple[MountedFile, ...]
    skipped: tuple[str, ...] = ()
    cut: bool = False


def survey_mounts(roots: Sequence[Path], max_files: int = MAX_FILES) -> Mounted:
    """List the files below some folders; folders that do not exist are skipped.

    Links are followed, each real folder once: a platform may build its mounts with links, and files are accepted by
    digest only.
    """
    files: list[MountedFile] = []
    skipped: list[str] = []
    for root in roots:
        for path in _paths(root, skipped):
            found = _look(path, root, skipped)
            if found is None:
                continue
            if len(files) >= max_files:
                return Mounted(files=tuple(files), skipped=tuple(skipped), cut=True)
            files.append(found)
    return Mounted(files=tuple(files), skipped=tuple(skipped))


def _paths(root: Path, skipped: list[str]) -> Iterator[Path]:
    if not root.exists():
        return

    def note(fault: OSError) -> None:
        skipped.append(f"{fault.filename}: {fault.strerror}")

    seen: set[str] = set()
    for folder, below, names in walk(root, note, follow=True):
        real = os.path.realpath(folder)
        if real in seen:
            below.clear()
            continue
        seen.add(real)
        below.sort()
        for name in sorted(names):
            yield Path(folder) / name


def _look(path: Path, root: Path, skipped: list[str]) -> MountedFile | None:
    try:
        status = path.stat()
    except OSError as fault:
        skipped.append(f"{path}: {fault.strerror}")
        return None
    if stat.S_ISREG(status.st_mode):
        return MountedFile(path=path, name=path.relative_to(root.parent).as_posix(), size_bytes=status.st_size)
    skipped.append(f"{path}: not a plain file")
    return None
