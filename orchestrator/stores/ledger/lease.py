"""The lease: one tick at a time on a computer, by a lock that ends with its process and a number in the ledger.

With the lock alone, a program that was suspended for a day could continue beside its successor. With the number alone,
everything would wait after a kill. With both, a program that gets the lock takes over at once; a holder that lives but
has not renewed for `LEASE_S` loses the lease and notices it before its next step.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from filelock import FileLock, Timeout

from orchestrator.core.timestamps import parse_timestamp
from orchestrator.kernel.files.atomic import make_folder
from orchestrator.kernel.reading.json_text import shown
from orchestrator.kernel.reading.shapes import COUNT, fits
from orchestrator.stores.ledger.errors import unreadable
from orchestrator.stores.ledger.sqlite import SqliteLedger
from orchestrator.stores.locks import lock_fault

LEASE_S = 900.0
"""Longer than any step of a tick: one push, or one download of a session's outputs."""

_SCHEMA = "CREATE TABLE IF NOT EXISTS leases (name TEXT PRIMARY KEY, number INTEGER NOT NULL, until TEXT NOT NULL)"


class SqliteLease:
    """The right to run ticks on one ledger.

    Args:
        ledger: Holds the table of leases.
        lock: Path of the lock file.
        now: Aware time, UTC.
    """

    _NAME = "campaigns"

    def __init__(self, ledger: SqliteLedger, lock: Path, now: Callable[[], datetime]) -> None:
        self._connection, self._path = ledger.connection, ledger.path
        self._lock, self._lock_path = FileLock(lock, timeout=0), lock
        self._now = now
        self._number: int | None = None

    def take(self) -> bool:
        """Take the lease; False if a living program holds it and has renewed it in time.

        Raises:
            BadInput: Something else is in the place of the lock file.
            OSError: The disk refuses it.
        """
        self._connection.execute(_SCHEMA)
        try:
            make_folder(self._lock_path.parent)
            self._lock.acquire()
            expired_only = False
        except Timeout:
            expired_only = True
        except OSError as fault:
            raise lock_fault(self._lock_path, "the campaigns", fault) from fault
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            number, until = self._current()
            if expired_only and until is not None and self._now() < until:
                return False
            self._number = number + 1
            self._write(self._number)
            return True
        finally:
            self._connection.execute("COMMIT")

    def holds(self) -> bool:
        """Whether the lease is still ours; renews it."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            if self._number is None or self._current()[0] != self._number:
                return False
            self._write(self._number)
            return True
        finally:
            self._connection.execute("COMMIT")

    def release(self) -> None:
        """Release the lease."""
        if self._number is not None and self.holds():
            self._connection.execute("UPDATE leases SET until = ? WHERE name = ?", (_text(self._now()), self._NAME))
        self._number = None
        self._lock.release()

    def _current(self) -> tuple[int, datetime | None]:
        row = self._connection.execute("SELECT number, until FROM leases WHERE name = ?", (self._NAME,)).fetchone()
        if row is None:
            return 0, None
        until = parse_timestamp(row[1]) if isinstance(row[1], str) else None
        if until is None or not fits(COUNT, row[0]):
            raise unreadable(self._path, f"the lease of the campaigns holds {shown(row[0])} and {shown(row[1])}")
        return row[0], until

    def _write(self, number: int) -> None:
        self._connection.execute(
            "INSERT INTO leases VALUES (?, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET number = excluded.number, until = excluded.until",
            (self._NAME, number, _text(self._now() + timedelta(seconds=LEASE_S))),
        )


def _text(moment: datetime) -> str:
    return moment.isoformat()


_REFUSALS = "CREATE TABLE IF NOT EXISTS refusals (lineage_id TEXT PRIMARY KEY, why TEXT NOT NULL)"


class SqliteRefusals:
    """The reasons, by lineage. A lost reason is found again by the next tick.

    Args:
        ledger: Holds the table.
    """

    def __init__(self, ledger: SqliteLedger) -> None:
        self._connection, self._path = ledger.connection, ledger.path

    def store(self, lineage_id: str, why: str) -> None:
        """Store why a trial is refused, in place of an earlier reason; an empty reason removes it."""
        if why:
            self._connection.execute(_REFUSALS)
            self._connection.execute("INSERT OR REPLACE INTO refusals VALUES (?, ?)", (lineage_id, why))
        elif lineage_id in self.reasons():
            self._connection.execute("DELETE FROM refusals WHERE lineage_id = ?", (lineage_id,))

    def reasons(self) -> Mapping[str, str]:
        """Lineage id -> reason; writes nothing.

        Raises:
            BadInput: One of them is no text.
        """
        try:
            found = dict(self._connection.execute("SELECT lineage_id, why FROM refusals"))
        except sqlite3.OperationalError as fault:
            if "no such table" in str(fault):
                return {}  # no tick has refused a trial yet
            raise
        for lineage_id, why in found.items():
            if not isinstance(why, str):
                why_not = f"the refusal of {shown(lineage_id)} is {shown(why)} instead of a text"
                raise unreadable(self._path, why_not)
        return found
