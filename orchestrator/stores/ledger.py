"""The ledger: SQLite, an append-only list of events and the rows that they fold to, in one transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from orchestrator.core.errors import BadInput, RunFailed
from orchestrator.core.events import Event, EventKind, fold, fold_run, fold_session
from orchestrator.core.records import Record, RunRecord, SessionRecord
from orchestrator.stores.ledger_rows import KEPT_ROWS, dump, keep, plain_row, run_of, session_of
from orchestrator.stores.ledger_schema import SCHEMA, lacks_ticket_column, move_tickets

# Oldest first is by rowid, the order in which rows were first written: a clock may be set back between two of them.
_RUNS_OF = "SELECT run_id, row FROM runs WHERE json_extract(row, '$.lineage_id') = ? ORDER BY rowid"
_SESSIONS_OF = "SELECT key, row FROM sessions WHERE lineage_id = ? ORDER BY rowid"
_OPEN_SESSIONS = "SELECT key, row FROM sessions INDEXED BY sessions_open WHERE stage != 'closed' ORDER BY rowid"
"""By its index: left to choose, SQLite reads all sessions there ever were, since those are in order already."""
_BUSY_TIMEOUT_S = 10.0


class SqliteLedger:
    """One file, safe under several processes.

    Opening one of an earlier version brings it up to date, whoever opens it: also a command that only asks.

    Args:
        path: The database file; its folder is made.

    Raises:
        BadInput: The file is not a ledger.
        RunFailed: It cannot be written: no space, no permission, held by another program.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        # Rows are values: the same text is the same record, and a run asks for the same rows many times, most often
        # for the one that it has just written: by id or key, the latest text and its record. The nonce of its ticket
        # stands in a session's row.
        self._known_runs: dict[str, tuple[str, RunRecord]] = {}
        self._known_sessions: dict[str, tuple[str, SessionRecord]] = {}
        # And the rows of a lineage together, as long as neither this program nor another one has changed them.
        self._runs_of: dict[str, list[RunRecord]] = {}
        self._sessions_of: dict[str, list[SessionRecord]] = {}
        self._version = 0
        self._durable: bool | None = None  # how the next transaction is written, None until one was
        # isolation_level None: transactions are begun and ended below, nowhere else.
        self._connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
        try:
            self._open()
        except BaseException:
            self._connection.close()  # else the file stays locked where an open file cannot be moved away
            raise

    def _open(self) -> None:
        try:
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.executescript(SCHEMA)
            if lacks_ticket_column(self._connection):
                with self._transaction(durable=True):
                    move_tickets(self._connection)
        except sqlite3.OperationalError as fault:
            raise _no_room(self._path, fault) from fault
        except sqlite3.DatabaseError as fault:
            raise BadInput(
                f"{self._path} is not a readable ledger: {fault}",
                remedy="Move that file away; checkpoints and results do not depend on it.",
            ) from fault

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def record(self, *events: Event) -> None:
        """Append events of one session, or of one run itself, and update their rows in one transaction.

        An intent is on the disk when this returns; other events may be lost by a power cut, never torn, since
        each can be found again from the backend and the results.

        Raises:
            ValueError: They are of several, or cannot follow what is recorded; nothing was written.
        """
        ((run_id, key),) = {(event.run_id, event.session) for event in events}
        with self._transaction(durable=any(event.durable for event in events)):
            run = self._run(run_id) if any(event.tells_of_run for event in events) else None
            before = session = self.session(key) if key is not None else None
            known = run
            for event in events:
                body = dump(event.body)
                self._connection.execute(
                    "INSERT INTO events (at, kind, run_id, session, body) VALUES (?, ?, ?, ?, ?)",
                    (event.at, event.kind.value, run_id, key, body),
                )
                if event.durable:  # its ticket is kept; folded as it can be read back, the row is what the events say
                    event = replace(event, body=json.loads(body))
                if event.tells_of_run:
                    run = fold_run(run, event)
                if key is not None:
                    session = fold_session(session, event)
            if run is not None and run is not known:
                self._store_run(run)
            if session is not None:
                self._store_session(session, before)

    def runs(self, lineage_id: str | None = None) -> Sequence[RunRecord]:
        """All runs, of one lineage if named, oldest first."""
        if lineage_id is None:
            return self._all_runs("SELECT run_id, row FROM runs ORDER BY rowid")
        if (kept := self._up_to_date(self._runs_of).get(lineage_id)) is None:
            kept = self._runs_of[lineage_id] = self._all_runs(_RUNS_OF, lineage_id)
        return list(kept)

    def sessions(self, lineage_id: str | None = None) -> Sequence[SessionRecord]:
        """All sessions, of one lineage if named, oldest first."""
        if lineage_id is None:
            return self._all_sessions("SELECT key, row FROM sessions ORDER BY rowid")
        if (kept := self._up_to_date(self._sessions_of).get(lineage_id)) is None:
            kept = self._sessions_of[lineage_id] = self._all_sessions(_SESSIONS_OF, lineage_id)
        return list(kept)

    def session(self, key: str) -> SessionRecord | None:
        """One session, None if there is none."""
        found = self._connection.execute("SELECT key, row FROM sessions WHERE key = ?", (key,)).fetchone()
        return self._session_record(*found) if found else None

    def open_sessions(self) -> Sequence[SessionRecord]:
        """Sessions that were not carried to their end, oldest first."""
        return self._all_sessions(_OPEN_SESSIONS)

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
        self._forget()
        equal = runs == {record.run_id: record for record in self.runs()} and sessions == {
            record.key: record for record in self.sessions()
        }
        with self._transaction(durable=True):
            self._connection.execute("DELETE FROM runs")
            self._connection.execute("DELETE FROM sessions")
            for run in runs.values():
                self._store_run(run)
            for session in sessions.values():
                self._store_session(session, None)
        return equal

    @contextmanager
    def _transaction(self, *, durable: bool) -> Iterator[None]:
        try:
            if durable is not self._durable:
                self._connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
                self._durable = durable
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

    def _up_to_date(self, kept: dict[str, list[Record]]) -> dict[str, list[Record]]:
        """Of what is kept by lineage what is still true: nothing if another program has written since."""
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        if version != self._version or len(kept) >= KEPT_ROWS:
            self._version = version
            self._forget()
        return kept

    def _forget(self) -> None:
        for known in (self._known_runs, self._known_sessions, self._runs_of, self._sessions_of):
            known.clear()

    def _all_runs(self, question: str, *words: str) -> list[RunRecord]:
        return [self._run_record(*row) for row in self._connection.execute(question, words)]

    def _all_sessions(self, question: str, *words: str) -> list[SessionRecord]:
        return [self._session_record(*row) for row in self._connection.execute(question, words)]

    def _run(self, run_id: str) -> RunRecord | None:
        found = self._connection.execute("SELECT row FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        return self._run_record(run_id, found[0]) if found else None

    def _run_record(self, run_id: str, row: str) -> RunRecord:
        known = self._known_runs.get(run_id)
        if known is not None and known[0] == row:
            return known[1]
        return keep(self._known_runs, run_id, row, run_of(row))

    def _session_record(self, key: str, row: str) -> SessionRecord:
        known = self._known_sessions.get(key)
        if known is not None and known[0] == row:
            return known[1]
        # Row and ticket from one look: another program may just have planned this very session anew.
        found = self._connection.execute("SELECT row, ticket FROM sessions WHERE key = ?", (key,)).fetchone()
        return keep(self._known_sessions, key, found[0], session_of(*found))

    def _store_run(self, record: RunRecord) -> None:
        row = dump(plain_row(record))
        self._connection.execute(
            "INSERT INTO runs VALUES (?, ?, ?) ON CONFLICT (run_id) DO UPDATE SET row = excluded.row",
            (record.run_id, record.started_at, row),
        )
        self._runs_of.pop(record.lineage_id, None)
        keep(self._known_runs, record.run_id, row, record)

    def _store_session(self, record: SessionRecord, before: SessionRecord | None) -> None:
        plain = plain_row(record)
        ticket, row = plain.pop("ticket"), dump(plain)
        self._sessions_of.pop(record.lineage_id, None)
        keep(self._known_sessions, record.key, row, record)
        if before is not None and before.ticket is ticket:  # every event after the first
            self._connection.execute(
                "UPDATE sessions SET stage = ?, row = ? WHERE key = ?", (record.stage.value, row, record.key)
            )
            return
        self._connection.execute(
            "INSERT INTO sessions (key, lineage_id, planned_at, stage, row, ticket) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (key) DO UPDATE SET"
            " planned_at = excluded.planned_at, stage = excluded.stage, row = excluded.row, ticket = excluded.ticket",
            (record.key, record.lineage_id, record.planned_at, record.stage.value, row, dump(ticket)),
        )


def _no_room(path: Path, fault: sqlite3.OperationalError) -> RunFailed:
    return RunFailed(
        f"{path} cannot be used: {fault}",
        remedy="Free disk space, check the file's permissions, or end the program that holds it; then run the same "
        "command again. Nothing is lost.",
    )
