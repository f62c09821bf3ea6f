"""Files to and from the login node by sftp, which every OpenSSH has; a transfer that broke off continues."""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from orchestrator.backends.slurm.ssh.connection import Connection

LEAST_S, SLOWEST_BYTES_S = 600.0, 20_000
"""Time limit of a transfer: ten minutes, and what a slow line needs."""
_FULL_HERE = re.compile(r"^(write|local).*No space left on device|Couldn't (write|open) local", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class FarFile:
    """A file on the login node.

    Attributes:
        path: Absolute.
        changed: When its content was changed, in the words of the login node.
        into: Where it belongs here.
    """

    path: PurePosixPath
    size_bytes: int
    changed: str
    into: Path

    @property
    def changed_ns(self) -> int:
        """Nanoseconds since 1970."""
        seconds, _, part = self.changed.partition(".")
        return int(seconds) * 1_000_000_000 + int(f"{part:0<9.9}")

    def is_here(self) -> bool:
        """Whether the copy is complete and as old."""
        try:
            found = self.into.lstat()
        except OSError:
            return False
        return found.st_size == self.size_bytes and found.st_mtime_ns == self.changed_ns


def get_files(connection: Connection, files: Iterable[FarFile], parts: Path) -> list[FarFile]:
    """Bring what is not here yet.

    A file grows in `parts` under a name for its path, size and age, so that a later call continues it, and never
    continues another version; complete, it is moved to its place.

    Returns:
        Those that could not be had.

    Raises:
        RemoteUnavailable: The connection broke; a repeated call continues.
        TimeoutError: It took too long; a repeated call continues.
        OSError: There is no room here.
    """
    wanted = [one for one in files if not one.is_here()]
    if not wanted:
        return []
    parts.mkdir(parents=True, exist_ok=True)
    drafts = {
        one: parts / hashlib.sha256(repr((one.path, one.size_bytes, one.changed)).encode()).hexdigest()
        for one in wanted
    }
    lines = [
        b"-get -f %s %s %s\n" % (b"-a" if draft.exists() else b"", quoted(str(one.path)), quoted(draft.as_posix()))
        for one, draft in drafts.items()
    ]
    trouble = ""
    try:
        trouble = connection.transfer(b"".join(lines), _limit_s(one.size_bytes for one in wanted))
    finally:
        left = list(_moved(drafts.items()))
    if left and _FULL_HERE.search(trouble):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(parts))
    return left


def _moved(drafts: Iterable[tuple[FarFile, Path]]) -> Iterator[FarFile]:
    """Put complete files in their place; gives the others."""
    for one, draft in drafts:
        if not draft.is_file() or draft.stat().st_size != one.size_bytes:
            yield one
            continue
        one.into.parent.mkdir(parents=True, exist_ok=True)
        os.utime(draft, ns=(one.changed_ns, one.changed_ns))
        os.replace(draft, one.into)


def put_files(connection: Connection, root: Path, into: PurePosixPath, names: dict[str, int]) -> str:
    """Send files into a folder that has all folders of their paths.

    Args:
        names: Path -> bytes of it that are there; the rest is sent.

    Returns:
        What sftp says of files that could not be written.

    Raises:
        RemoteUnavailable: The connection broke; a repeated call continues.
        TimeoutError: It took too long.
    """
    sizes = {name: (root / name).stat().st_size for name in names}
    lines = [
        b"-put %s %s %s\n" % (b"-a" if there else b"", quoted((root / name).as_posix()), quoted(str(into / name)))
        for name, there in names.items()
        if there != sizes[name] or not there
    ]
    return connection.transfer(b"".join(lines), _limit_s(sizes.values())) if lines else ""


def quoted(text: str) -> bytes:
    """A path as sftp reads it: in quotes its glob signs are plain."""
    return b'"' + text.encode("utf-8", "surrogateescape").replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def can_travel(path: str) -> bool:
    """Whether a line of a batch can hold a path."""
    return "\n" not in path and "\r" not in path


def _limit_s(sizes: Iterable[int]) -> float:
    return LEAST_S + sum(sizes) / SLOWEST_BYTES_S
