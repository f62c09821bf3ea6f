"""The ledger in SQLite: events are appended, and their rows updated, in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from orchestrator.core.errors import BadInput
from orchestrator.core.ledger.events import Event, EventKind, fold, fold_run, fold_session
from orchestrator.core.ledger.records import RunRecord, SessionRecord
from orchestrator.core.secret_search import masked_json
from orchestrator.kernel.files.atomic import make_folder
from orchestrator.stores.ledger import sql
from orchestrator.stores.ledger.errors import disk_full, unreadable
from orchestrator.stores.ledger.schema import (
    LedgerRows,
    create_schema,
    dump,
    first_disagreement,
    migrate,
    needs_migration,
    plain_row,
    translated,
)

BUSY_TIMEOUT_S = 10.0
_READ_BACK = frozenset({"handle", "results_dir", "machine", "reason", "restored"})
"""Fields by which this program finds a session or decides: no mask may change them."""


class SqliteLedger(LedgerRows):
    """One file, safe for several processes.

    Args:
        path: The database file; its folder is created.
        mask: Hides secrets in what a session or the backend said; the ledger may be shown to others.

    Raises:
        BadInput: The file is not a ledger.
        RunFailed: It cannot be written: no space, no permission, held by another program.
    """

    def __init__(self, path: Path, mask: Callable[[str], str] | None = None) -> None:
        if path.is_dir():
            raise unreadable(path, "it is a folder")
        self._mask = mask
        self._durable: bool | None = None  # whether the last transaction was durable, None before the first
        with translated(path):
            connection = self._connected(path)
        super().__init__(connection, path)
        try:
            self._open()
        except BaseException:
            self.close()  # else Windows could not move the file away
            raise

    def _connected(self, path: Path) -> sqlite3.Connection:
        make_folder(path.parent)
        # isolation_level None: transactions begin and end in `_transaction` only.
        return sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)

    def _open(self) -> None:
        with translated(self._path):
            self._prepare()

    def _prepare(self) -> None:
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._require_whole_file()
        create_schema(self._connection)
        if needs_migration(self._connection):
            with self._transaction(durable=True):
                migrate(self._connection)
        self._require_agreement()

    def _require_whole_file(self) -> None:
        # A truncated file is detected before anything is pushed; 5 MB take about 10 ms.
        (found,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise unreadable(self._path, str(found).replace("\n", " "))

    def _require_agreement(self) -> None:
        if (wrong := first_disagreement(self._connection)) is not None:
            raise unreadable(self._path, wrong)

    def record(self, *events: Event) -> None:
        """Append events of one session, or of one run itself, and update their rows in one transaction.

        An intent (`session_planned`) is on the disk when this returns. A power cut may lose other events, but never a
        part of a transaction; they can be found again from the backend and the results.

        Raises:
            ValueError: The events are of several sessions, or cannot follow what is recorded; nothing was written.
            BadInput: The row of the run is not there, or a row is damaged; nothing was written.
        """
        if self._mask is not None:
            events = tuple(self._masked(event) for event in events)
        ((run_id, key),) = {(event.run_id, event.session) for event in events}
        with self._transaction(durable=any(event.durable for event in events)):
            run = before = self._run(run_id) if any(event.tells_of_run for event in events) else None
            session, planned_seq = None if key is None else self.session(key), None
            for event in events:
                seq = self._append(event)
                if event.tells_of_run:
                    if run is None and event.kind is not EventKind.RUN_STARTED:
                        raise unreadable(self._path, f"the row of run {run_id} is not there")
                    run = fold_run(run, event)
                if key is not None:
                    session = fold_session(session, event)
                    planned_seq = seq if event.kind is EventKind.SESSION_PLANNED else planned_seq
            if run is not None and run is not before:
                self._store_run(run)
            if session is not None:
                self._store_session(session, planned_seq)

    def _masked(self, event: Event) -> Event:
        if self._mask is None or not event.of_session:
            return event
        hidden = {
            name: value if name in _READ_BACK else masked_json(value, self._mask) for name, value in event.body.items()
        }
        return replace(event, body=hidden)

    def _append(self, event: Event) -> int:
        """Append an event; returns its number."""
        row = event.at, event.kind.value, event.run_id, event.session, dump(event.body)
        number = self._connection.execute(sql.APPEND, row).lastrowid
        assert number is not None  # an INSERT always has one
        return number

    def rebuild(self) -> bool:
        """Rebuild all rows from the events; returns whether they already agreed."""
        with self._transaction(durable=True):
            runs, sessions = fold(self.events())
            equal = self._holds(runs, sessions)
            self._connection.execute("DELETE FROM runs")
            self._connection.execute("DELETE FROM sessions")
            for run in runs.values():
                self._store_run(run)
            planned = dict(self._connection.execute(sql.PLANNED))
            for session in sessions.values():
                self._store_session(session, planned[session.key])
        return equal

    def _holds(self, runs: dict[str, RunRecord], sessions: dict[str, SessionRecord]) -> bool:
        """Whether the rows are exactly these."""
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
                if self._connection.in_transaction:  # SQLite itself rolls back when the disk is full
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.OperationalError as fault:
            raise disk_full(self._path, fault) from fault

    def _store_run(self, record: RunRecord) -> None:
        row = dump(plain_row(record))
        self._connection.execute(sql.STORE_RUN, (record.run_id, record.started_at, row))

    def _store_session(self, record: SessionRecord, planned_seq: int | None) -> None:
        """Write a session's row.

        Args:
            planned_seq: Number of the event that has just planned it, None after any other event.
        """
        plain = plain_row(record)
        del plain["ticket"]  # the event that planned it holds the ticket
        row = dump(plain)
        if planned_seq is None:
            self._connection.execute(sql.STORE_SESSION, (record.stage.value, row, record.key))
            return
        whole = record.key, record.lineage_id, record.planned_at, record.stage.value, row, planned_seq
        self._connection.execute(sql.PLAN_SESSION, whole)
