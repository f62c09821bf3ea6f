"""The ledger: SQLite, an append-only list of events and the rows that they fold to, in one transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from orchestrator.core.errors import BadInput
from orchestrator.core.ledger.events import Event, EventKind, fold, fold_run, fold_session
from orchestrator.core.ledger.records import RunRecord, SessionRecord
from orchestrator.stores.ledger import sql
from orchestrator.stores.ledger.errors import disk_full, unreadable
from orchestrator.stores.ledger.row_codec import Kept, dump, plain_row, run_of, session_of
from orchestrator.stores.ledger.schema import create_schema, migrate, needs_migration

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
        self._kept_runs, self._kept_sessions = Kept[RunRecord](), Kept[SessionRecord]()
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
            # A file that was cut off in the middle is found before anything is pushed; 5 MB take about 10 ms.
            (found,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise unreadable(self._path, str(found).replace("\n", " "))
            create_schema(self._connection)
            if needs_migration(self._connection):
                with self._transaction(durable=True):
                    migrate(self._connection)
        except sqlite3.OperationalError as fault:
            raise disk_full(self._path, fault) from fault
        except sqlite3.DatabaseError as fault:
            raise unreadable(self._path, str(fault)) from fault

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
            self._forget_if_outdated()
            run = before = self._run(run_id) if any(event.tells_of_run for event in events) else None
            session, planned_seq = None if key is None else self._session(key), None
            for event in events:
                seq = self._append(event)
                if event.tells_of_run:
                    run = fold_run(run, event)
                if key is not None:
                    session = fold_session(session, event)
                    planned_seq = seq if event.kind is EventKind.SESSION_PLANNED else planned_seq
            if run is not None and run is not before:
                self._store_run(run)
            if session is not None:
                self._store_session(session, planned_seq)

    def _append(self, event: Event) -> int:
        """Add to the list; returns the event's number."""
        row = event.at, event.kind.value, event.run_id, event.session, dump(event.body)
        number = self._connection.execute(sql.APPEND, row).lastrowid
        assert number is not None  # what an INSERT has always
        return number

    def runs(self, lineage_id: str | None = None) -> Sequence[RunRecord]:
        """All runs, of one lineage if named, oldest first."""
        if lineage_id is None:
            return self._all_runs(sql.ALL_RUNS)
        self._forget_if_outdated()
        if (kept := self._kept_runs.of_lineage(lineage_id)) is None:
            kept = self._kept_runs.put_lineage(lineage_id, self._all_runs(sql.RUNS_OF, lineage_id))
        return list(kept)

    def sessions(self, lineage_id: str | None = None) -> Sequence[SessionRecord]:
        """All sessions, of one lineage if named, oldest first."""
        if lineage_id is None:
            return self._all_sessions(sql.ALL_SESSIONS)
        self._forget_if_outdated()
        if (kept := self._kept_sessions.of_lineage(lineage_id)) is None:
            kept = self._kept_sessions.put_lineage(lineage_id, self._all_sessions(sql.SESSIONS_OF, lineage_id))
        return list(kept)

    def session(self, key: str) -> SessionRecord | None:
        """One session, None if there is none."""
        self._forget_if_outdated()
        return self._session(key)

    def open_sessions(self) -> Sequence[SessionRecord]:
        """Sessions that were not carried to their end, oldest first."""
        return self._all_sessions(sql.OPEN_SESSIONS)

    def last_event(self) -> int:
        """Number of the latest event, 0 without one: equal numbers mean that nothing has changed."""
        (number,) = self._connection.execute(sql.LAST_EVENT).fetchone()
        return int(number)

    @property
    def connection(self) -> sqlite3.Connection:
        """The open database, for the tables that stand beside the events."""
        return self._connection

    def events(self) -> Sequence[Event]:
        """Every event, oldest first."""
        rows = self._connection.execute(sql.ALL_EVENTS)
        return [
            Event(kind=EventKind(kind), at=at, run_id=run_id, session=session, body=json.loads(body))
            for kind, at, run_id, session, body in rows
        ]

    def rebuild(self) -> bool:
        """Make all rows anew from the events; says whether they were already equal to them."""
        with self._transaction(durable=True):
            self._forget()
            runs, sessions = fold(self.events())
            equal = self._holds(runs, sessions)
            self._connection.execute("DELETE FROM runs")
            self._connection.execute("DELETE FROM sessions")
            self._forget()
            for run in runs.values():
                self._store_run(run)
            planned = dict(self._connection.execute(sql.PLANNED))
            for session in sessions.values():
                self._store_session(session, planned[session.key])
        return equal

    def _holds(self, runs: dict[str, RunRecord], sessions: dict[str, SessionRecord]) -> bool:
        """Whether the rows are these."""
        try:
            return runs == {record.run_id: record for record in self.runs()} and sessions == {
                record.key: record for record in self.sessions()
            }
        except BadInput:
            return False

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
                self._forget()  # what it had stored already
                if self._connection.in_transaction:  # sqlite rolls back by itself when the disk is full
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.OperationalError as fault:
            raise disk_full(self._path, fault) from fault

    def _forget_if_outdated(self) -> None:
        """Keep nothing that another program may have changed."""
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        if version != self._version:
            self._forget()
            self._version = version

    def _forget(self) -> None:
        self._kept_runs.clear()
        self._kept_sessions.clear()

    def _all_runs(self, question: str, *words: str) -> list[RunRecord]:
        return [self._run_record(*row) for row in self._connection.execute(question, words)]

    def _all_sessions(self, question: str, *words: str) -> list[SessionRecord]:
        return [self._session_record(*row) for row in self._connection.execute(question, words)]

    def _run(self, run_id: str) -> RunRecord | None:
        if (kept := self._kept_runs.get(run_id)) is not None:
            return kept
        found = self._connection.execute(sql.RUN, (run_id,)).fetchone()
        return self._run_record(run_id, *found) if found else None

    def _session(self, key: str) -> SessionRecord | None:
        if (kept := self._kept_sessions.get(key)) is not None:
            return kept
        found = self._connection.execute(sql.SESSION, (key,)).fetchone()
        return self._session_record(key, *found) if found else None

    def _run_record(self, run_id: str, row: str) -> RunRecord:
        return self._kept_runs.of_row(run_id, row) or self._kept_runs.put(run_id, row, run_of(row))

    def _session_record(self, key: str, row: str) -> SessionRecord:
        if (kept := self._kept_sessions.of_row(key, row)) is not None:
            return kept
        # Row and ticket from one look: another program may just have planned this very session anew.
        found = self._connection.execute(sql.SESSION_WITH_TICKET, (key,)).fetchone()
        if found is None:
            raise unreadable(self._path, f"the event that planned {key} is not there")
        row, planned = found
        return self._kept_sessions.put(key, row, session_of(row, planned))

    def _store_run(self, record: RunRecord) -> None:
        row = dump(plain_row(record))
        self._connection.execute(sql.STORE_RUN, (record.run_id, record.started_at, row))
        self._kept_runs.changed(record.run_id, row, record)

    def _store_session(self, record: SessionRecord, planned_seq: int | None) -> None:
        """Write a session's row.

        Args:
            planned_seq: Number of the event that has just planned it, None for every later event.
        """
        plain = plain_row(record)
        del plain["ticket"]  # which stands in that event
        row = dump(plain)
        self._kept_sessions.changed(record.key, row, record)
        if planned_seq is None:
            self._connection.execute(sql.STORE_SESSION, (record.stage.value, row, record.key))
            return
        whole = record.key, record.lineage_id, record.planned_at, record.stage.value, row, planned_seq
        self._connection.execute(sql.PLAN_SESSION, whole)
