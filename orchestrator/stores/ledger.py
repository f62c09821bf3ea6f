"""The ledger: SQLite, an append-only list of events and the rows that they fold to, in one transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from orchestrator.core.errors import BadInput, RunFailed
from orchestrator.core.events import Event, EventKind, fold, fold_run, fold_session
from orchestrator.core.records import RunRecord, SessionRecord, Stage

_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL, kind TEXT NOT NULL, run_id TEXT NOT NULL, session TEXT, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS runs (run_id TEXT PRIMARY KEY, started_at TEXT NOT NULL, row TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS sessions (
    key TEXT PRIMARY KEY, lineage_id TEXT NOT NULL, planned_at TEXT NOT NULL, stage TEXT NOT NULL, row TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS sessions_of_lineage ON sessions (lineage_id);
CREATE INDEX IF NOT EXISTS sessions_open ON sessions (stage) WHERE stage != 'closed';
CREATE INDEX IF NOT EXISTS runs_of_lineage ON runs (json_extract(row, '$.lineage_id'));
"""
# Oldest first is by rowid, the order in which rows were first written: a clock may be set back between two of them.
_BUSY_TIMEOUT_S = 10.0
_KEPT_ROWS = 4096


class SqliteLedger:
    """One file, safe under several processes.

    Args:
        path: The database file; its folder is made.

    Raises:
        BadInput: The file is not a ledger.
        RunFailed: It cannot be written: no space, no permission, held by another program.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        # isolation_level None: transactions are begun and ended below, nowhere else.
        self._connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
        try:
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.executescript(_SCHEMA)
        except sqlite3.OperationalError as fault:
            self._connection.close()
            raise _no_room(path, fault) from fault
        except sqlite3.DatabaseError as fault:
            self._connection.close()
            raise BadInput(
                f"{path} is not a readable ledger: {fault}",
                remedy="Move that file away; checkpoints and results do not depend on it.",
            ) from fault

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def record(self, event: Event) -> None:
        """Append an event and update its rows in one transaction.

        An intent is on the disk when this returns; other events may be lost by a power cut, never torn, since
        each can be found again from the backend and the results.

        Raises:
            ValueError: The event cannot follow what is recorded; nothing was written.
        """
        with self._transaction(durable=event.durable):
            self._connection.execute(
                "INSERT INTO events (at, kind, run_id, session, body) VALUES (?, ?, ?, ?, ?)",
                (event.at, event.kind.value, event.run_id, event.session, _dump(dict(event.body))),
            )
            before = self._run(event.run_id)
            after = fold_run(before, event)
            if after is not before:  # most events of a session say nothing new of its run
                self._store_run(after)
            if event.session is not None:
                self._store_session(fold_session(self._session(event.session), event))

    def runs(self, lineage_id: str | None = None) -> Sequence[RunRecord]:
        """All runs, of one lineage if named, oldest first."""
        which = "" if lineage_id is None else "WHERE json_extract(row, '$.lineage_id') = ?"
        words = () if lineage_id is None else (lineage_id,)
        rows = self._connection.execute(f"SELECT row FROM runs {which} ORDER BY rowid", words)
        return [_run_record(row) for (row,) in rows]

    def sessions(self, lineage_id: str | None = None) -> Sequence[SessionRecord]:
        """All sessions, of one lineage if named, oldest first."""
        which, words = ("", ()) if lineage_id is None else ("WHERE lineage_id = ?", (lineage_id,))
        rows = self._connection.execute(f"SELECT row FROM sessions {which} ORDER BY rowid", words)
        return [_session_record(row) for (row,) in rows]

    def session(self, key: str) -> SessionRecord | None:
        """One session, None if there is none."""
        return self._session(key)

    def open_sessions(self) -> Sequence[SessionRecord]:
        """Sessions that were not carried to their end, oldest first."""
        rows = self._connection.execute("SELECT row FROM sessions WHERE stage != 'closed' ORDER BY rowid")
        return [_session_record(row) for (row,) in rows]

    def changes(self, since: int) -> tuple[int, frozenset[str]]:
        """Number of the latest event, and the lineages that any event after number `since` concerns."""
        (latest,) = self._connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()
        found = self._connection.execute(
            "SELECT DISTINCT json_extract(row, '$.lineage_id') FROM runs WHERE run_id IN "
            "(SELECT run_id FROM events WHERE seq > ? AND seq <= ?)",
            (since, latest),
        )
        return latest, frozenset(lineage_id for (lineage_id,) in found)

    @property
    def connection(self) -> sqlite3.Connection:
        """The open database, for the tables that stand beside the events."""
        return self._connection

    def events(self) -> Sequence[Event]:
        """Every event, oldest first."""
        rows = self._connection.execute("SELECT kind, at, run_id, session, body FROM events ORDER BY seq")
        return [
            Event(kind=EventKind(kind), at=at, run_id=run_id, session=session, body=json.loads(body))
            for kind, at, run_id, session, body in rows
        ]

    def rebuild(self) -> bool:
        """Make all rows anew from the events; says whether they were already equal to them."""
        runs, sessions = fold(self.events())
        equal = runs == {record.run_id: record for record in self.runs()} and sessions == {
            record.key: record for record in self.sessions()
        }
        with self._transaction(durable=True):
            self._connection.execute("DELETE FROM runs")
            self._connection.execute("DELETE FROM sessions")
            for run in runs.values():
                self._store_run(run)
            for session in sessions.values():
                self._store_session(session)
        return equal

    @contextmanager
    def _transaction(self, *, durable: bool) -> Iterator[None]:
        try:
            self._connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # sqlite rolls back by itself when the disk is full
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.OperationalError as fault:
            raise _no_room(self._path, fault) from fault

    def _run(self, run_id: str) -> RunRecord | None:
        found = self._connection.execute("SELECT row FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        return _run_record(found[0]) if found else None

    def _session(self, key: str) -> SessionRecord | None:
        found = self._connection.execute("SELECT row FROM sessions WHERE key = ?", (key,)).fetchone()
        return _session_record(found[0]) if found else None

    def _store_run(self, record: RunRecord) -> None:
        self._connection.execute(
            "INSERT INTO runs VALUES (?, ?, ?) ON CONFLICT (run_id) DO UPDATE SET row = excluded.row",
            (record.run_id, record.started_at, _dump(_plain(record))),
        )

    def _store_session(self, record: SessionRecord) -> None:
        self._connection.execute(
            "INSERT INTO sessions VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (key) DO UPDATE SET"
            " planned_at = excluded.planned_at, stage = excluded.stage, row = excluded.row",
            (record.key, record.lineage_id, record.planned_at, record.stage.value, _dump(_plain(record))),
        )


def _no_room(path: Path, fault: sqlite3.OperationalError) -> RunFailed:
    return RunFailed(
        f"{path} cannot be used: {fault}",
        remedy="Free disk space, check the file's permissions, or end the program that holds it; then run the same "
        "command again. Nothing is lost.",
    )


def _dump(plain: dict[str, Any]) -> str:
    return json.dumps(plain, sort_keys=True, ensure_ascii=False, allow_nan=False)


def _plain(record: RunRecord | SessionRecord) -> dict[str, Any]:
    """A row's fields as they are; they hold plain JSON already, so nothing has to be copied."""
    return {name: getattr(record, name) for name in record.__slots__}


# Rows are values: the same text is the same record, and a run asks for the same rows many times.


@lru_cache(maxsize=_KEPT_ROWS)
def _run_record(row: str) -> RunRecord:
    return RunRecord(**json.loads(row))


@lru_cache(maxsize=_KEPT_ROWS)
def _session_record(row: str) -> SessionRecord:
    plain = json.loads(row)
    plain.update(stage=Stage(plain["stage"]))
    plain.update({name: tuple(plain.get(name, ())) for name in ("problems", "restored", "resume_reasons")})
    return SessionRecord(**plain)
