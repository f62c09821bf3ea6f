"""A second count of the side effects, which shares nothing with the observer.

Python itself reports changed names and opened files to audit hooks (https://docs.python.org/3/library/audit_events.html).
SQLite reports each statement that it runs to its trace callback. Where the system allows it, `strace` counts the calls
of the whole process as well: see `system_trace`.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_REMOVALS = {"os.remove": "unlink", "os.rmdir": "rmdir"}
KINDS = ("open", "mkdir", "rmdir", "unlink", "rename", "symlink", "truncate")
_CHANGES = ("CREATE", "INSERT", "UPDATE", "DELETE", "DROP", "ALTER")


class _Watch:
    """What is counted now: one for the whole process, since an audit hook cannot be removed."""

    installed = False
    root = ""
    counts: Counter[str] | None = None
    paused = staticmethod(lambda: False)
    thinking = False


@contextmanager
def audited(root: Path, paused: Any) -> Iterator[Counter[str]]:
    """Count the changes below a folder.

    Args:
        paused: Whether another process is at work.
    """
    if not _Watch.installed:
        sys.addaudithook(_hear)
        _Watch.installed = True
    counts: Counter[str] = Counter()
    _Watch.root, _Watch.counts, _Watch.paused = f"{root}{os.sep}", counts, paused
    try:
        yield counts
    finally:
        _Watch.counts = None


def _hear(event: str, args: tuple[Any, ...]) -> None:
    if _Watch.counts is None or _Watch.thinking:
        return
    _Watch.thinking = True
    try:
        kind = _kind(event, args)
        if kind is not None and not _Watch.paused():
            _Watch.counts[kind] += 1
    finally:
        _Watch.thinking = False


def _kind(event: str, args: tuple[Any, ...]) -> str | None:
    if event == "open" and isinstance(args[0], str | bytes | os.PathLike) and isinstance(args[2], int):
        path = _below(args[0])
        return "open" if path is not None and _changes(path, args[2]) else None
    if event in _REMOVALS:
        path = _below(args[0], args[1])
        return _REMOVALS[event] if path is not None and os.path.lexists(path) else None
    if event == "os.mkdir":
        path = _below(args[0], args[2])
        works = path is not None and not os.path.lexists(path) and os.path.isdir(os.path.dirname(path))
        return "mkdir" if works else None
    if event == "os.rename":
        old, new = _below(args[0], args[2]), _below(args[1], args[3])
        return "rename" if new is not None and old is not None and os.path.lexists(old) else None
    if event == "os.symlink":
        return "symlink" if _below(args[1], args[2]) is not None else None
    if event == "os.truncate":
        return "truncate" if not isinstance(args[0], int) and _below(args[0]) is not None else None
    return None


def _below(path: Any, dir_fd: int = -1) -> str | None:
    base = os.getcwd() if dir_fd in (-1, None) else os.readlink(f"/proc/self/fd/{dir_fd}")
    whole = os.path.normpath(os.path.join(base, os.fsdecode(path)))
    return whole if whole.startswith(_Watch.root) else None


def _changes(path: str, flags: int) -> bool:
    try:
        found = os.stat(path)
        # Opening a folder makes a file without a name (O_TMPFILE), which is gone with its process.
        return bool(flags & os.O_TRUNC) and found.st_size > 0 and not stat.S_ISDIR(found.st_mode)
    except OSError:
        return bool(flags & os.O_CREAT)


@contextmanager
def commits_counted(paused: Any) -> Iterator[list[int]]:
    """Count what SQLite reports as committed, of every connection that is opened meanwhile."""
    found, real = [0], sqlite3.connect

    def connect(path: Any, *args: Any, **named: Any) -> sqlite3.Connection:
        connection = real(path, *args, **named)

        def hear(statement: str) -> None:
            word = statement.split(None, 1)[0].upper()
            if not paused() and (word == "COMMIT" or (word in _CHANGES and not connection.in_transaction)):
                found[0] += 1

        if os.fspath(path) != ":memory:" and not paused():
            connection.set_trace_callback(hear)
        return connection

    sqlite3.connect = connect  # type: ignore[assignment]  # replaced for this test
    try:
        yield found
    finally:
        sqlite3.connect = real
