"""The log of a session: from Ray while it knows the job, else as its start has stored it."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.backends.ray.client import Jobs
from orchestrator.backends.ray.entrypoint import log_mark
from orchestrator.backends.ray.folder import SessionFolder


def log_of_ray(jobs: Jobs, folder: SessionFolder, nonce: str, *, whole: bool = False) -> bytes:
    """The session's log as Ray has it; empty if it has none.

    Args:
        nonce: Of the session.
        whole: Whether to return Ray's own lines where the session has not begun: they say why.
    """
    before, mark, own = jobs.log(folder.slug).partition(log_mark(nonce) + "\n")
    return (own if mark else before if whole else "").encode("utf-8", "backslashreplace")


def log_so_far(jobs: Jobs, folder: SessionFolder, nonce: str) -> bytes:
    """The session's log: of Ray, or the stored one of the start that counts."""
    log = log_of_ray(jobs, folder, nonce)
    if not log and (index := folder.counted(None, folder.starts())) is not None:
        return folder.log(index)
    return log


def complete_lines(log: bytes, cursor: int) -> Iterator[tuple[str, int]]:
    """The complete lines after a byte, each with the byte after it."""
    *complete, _ = log[cursor:].split(b"\n")
    for line in complete:
        cursor += len(line) + 1
        yield line.decode("utf-8", "replace").rstrip("\r"), cursor
