"""SQLite connections whose commits are noted by an observer."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.kill_points.observer import Observer

_CHANGES = ("CREATE", "INSERT", "UPDATE", "DELETE", "DROP", "ALTER")
_FULL = 2
"""`PRAGMA synchronous` from which a commit is flushed."""


class _Connection(sqlite3.Connection):
    """A connection of which each commit is noted."""

    observer: Observer
    whole: str

    def execute(self, statement: str, *args: Any) -> sqlite3.Cursor:
        word = statement.split(None, 1)[0].upper()
        alone = word in _CHANGES and not self.in_transaction
        if self.observer.is_paused or not (word == "COMMIT" or alone):
            return super().execute(statement, *args)
        with self.observer.effect("commit", self.whole):
            before = self._log()
            cursor = super().execute(statement, *args)
            (level,) = super().execute("PRAGMA synchronous").fetchone()
            if level >= _FULL and self._log() != before:  # `CREATE ... IF NOT EXISTS` may have no effect
                self.observer.flushed_commits += not self.observer.is_silent
                _flush_database(self.observer, self.whole)
        return cursor

    def _log(self) -> bytes:
        try:
            descriptor = os.open(f"{self.whole}-wal", os.O_RDONLY)
        except FileNotFoundError:
            return b""
        try:
            return os.pread(descriptor, os.fstat(descriptor).st_size, 0)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        disk, log = self.observer.disk, f"{self.whole}-wal"
        if disk is None or self.observer.is_paused or not os.path.exists(log):
            return super().close()
        _flush_database(self.observer, self.whole)  # before its content moves to the database
        disk.gone(log)
        super().close()
        return _flush_database(self.observer, self.whole)


def connector(observer: Observer) -> Callable[..., sqlite3.Connection]:
    """`sqlite3.connect` whose connections note each commit."""
    real = sqlite3.connect

    def act(path: Any, *args: Any, **named: Any) -> sqlite3.Connection:
        whole = None if os.fspath(path) == ":memory:" or observer.is_paused else observer.inside(path)
        if whole is None:
            return real(path, *args, **named)
        connection = real(path, *args, **named, factory=_Connection)
        connection.observer, connection.whole = observer, whole
        return connection

    return act


def _flush_database(observer: Observer, whole: str) -> None:
    """What SQLite flushes with a durable commit: database, log, and with a new log its folder.

    Source: `unixSync` in SQLite's os_unix.c; a test compares it with a trace of the system's calls.
    """
    if observer.disk is None:
        return
    with observer.paused():
        for path in (whole, f"{whole}-wal"):
            if os.path.exists(path):
                observer.disk.flushed(path)
        if os.path.exists(f"{whole}-wal") and not observer.disk.names(f"{whole}-wal"):
            observer.disk.flushed(str(Path(whole).parent))
