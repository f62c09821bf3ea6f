"""The tables of the ledger, its rows as records, and the migration from earlier versions."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from orchestrator.core.ledger.events import Event, EventKind
from orchestrator.core.ledger.records import RunRecord, SessionRecord, Stage
from orchestrator.kernel.reading.json_text import Unreadable, read_json, shown
from orchestrator.kernel.reading.shapes import TABLE, require
from orchestrator.stores.ledger import sql
from orchestrator.stores.ledger.errors import disk_full, unreadable
from orchestrator.stores.ledger.row_shapes import PLANNED, RUN, SESSION

_NAMES = {"events", "runs", "sessions", "sessions_of_lineage", "sessions_open", "runs_of_lineage"}
_COLUMNS_IN_JSON = (
    ("runs", "the row of run", ("run_id",)),
    ("sessions", "the row of session", ("key", "lineage_id", "stage")),
)


def create_schema(connection: sqlite3.Connection) -> None:
    """Create the tables that do not exist."""
    for statement in sql.TABLES:
        connection.execute(statement)


def is_current(connection: sqlite3.Connection) -> bool:
    """Whether every table and index is there, in its present form."""
    there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    return there >= _NAMES and not needs_migration(connection)


def needs_migration(connection: sqlite3.Connection) -> bool:
    """Whether the rows of sessions still hold tickets."""
    columns = {name for (name,) in connection.execute("SELECT name FROM pragma_table_info('sessions')")}
    # The previous version adds its column again to a present ledger that has no session yet.
    return "planned_seq" not in columns or "ticket" in columns


def migrate(connection: sqlite3.Connection) -> None:
    """Move from stored tickets to the number of the event that holds them.

    Call within a transaction; another program may have migrated first.
    """
    if needs_migration(connection):
        for statement in sql.TICKETS_TO_EVENTS:
            connection.execute(statement)


def first_disagreement(connection: sqlite3.Connection) -> str | None:
    """What is wrong with the first row whose columns differ from its JSON; None if all agree.

    A session would not be found by the columns, and another one would be started in its place.
    """
    for table, name, columns in _COLUMNS_IN_JSON:
        values = [f"CASE json_valid(row) WHEN 1 THEN json_extract(row, '$.{column}') END" for column in columns]
        differs = " OR ".join(f"{value} IS NOT {column}" for value, column in zip(values, columns, strict=True))
        chosen = ", ".join(("json_valid(row)", *columns, *values))
        found = connection.execute(f"SELECT {chosen} FROM {table} WHERE {differs} LIMIT 1").fetchone()
        if found is not None:
            valid, *both = found
            name = f"{name} {shown(both[0])}"
            pairs = zip(columns, both[: len(columns)], both[len(columns) :], strict=True)
            column, outside, inside = next(one for one in pairs if one[1] != one[2])
            return f"{name}: {column} is {shown(outside)} and {shown(inside)}" if valid else f"{name} is no JSON"
    return None


_A_RUN, _A_SESSION, _AN_INTENT = "the row of a run", "the row of a session", "the event that planned a session"

# Made once: `json.dumps` would make an encoder for every text.
dump = json.JSONEncoder(ensure_ascii=True, allow_nan=False, check_circular=False).encode


def plain_row(record: RunRecord | SessionRecord) -> dict[str, Any]:
    """A row's fields that are known; they hold plain JSON already, so none has to be copied."""
    plain = ((field.name, getattr(record, field.name)) for field in fields(record))
    return {name: value for name, value in plain if value is not None}


def _known(row: str, name: str) -> dict[str, Any]:
    """The fields of a row that are known; version 0.1 wrote null for the others."""
    plain = read_json(row, name, halves=True)
    require(TABLE, plain, name)
    return {key: value for key, value in plain.items() if value is not None}


def run_of(row: str) -> RunRecord:
    """The run of a row.

    Raises:
        Unreadable: It is damaged.
    """
    plain = _known(row, _A_RUN)
    require(RUN, plain, _A_RUN)
    plain["walks"] = tuple((steps, after) for steps, after in plain.get("walks", ()))
    return RunRecord(**plain)


_SINCE_PLANNED = ("lineage_id", "session", "attempt", "slug", "backend", "nonce")
_HAVE_HANDLE = (Stage.SUBMITTED, Stage.ENDED, Stage.FETCHED)


def _require_agreement(row: Mapping[str, Any], intent: Mapping[str, Any]) -> None:
    """Check the fields of a session's row against each other and against the event that planned it.

    Raises:
        Unreadable: One of them was changed; by the changed row the session would not be found again.
    """
    for name in _SINCE_PLANNED:
        if row[name] != intent.get(name, row[name]):
            raise Unreadable(_A_SESSION, f"is {shown(row[name])}, and {_AN_INTENT} says {shown(intent[name])}", name)
    if not row["key"].startswith(f"{row['run_id']}/"):
        raise Unreadable(_A_SESSION, f"is {shown(row['run_id'])}, and its key is {shown(row['key'])}", "run_id")
    if (handle := row.get("handle")) is None:
        if row["stage"] in _HAVE_HANDLE:
            raise Unreadable(_A_SESSION, f"is missing, and its stage is {row['stage']}", "handle")
    elif handle.partition("://")[0] != row["backend"]:
        raise Unreadable(_A_SESSION, f"is {shown(handle)}, and its backend is {row['backend']}", "handle")


def session_of(row: str, planned: str) -> SessionRecord:
    """The session of a row; its ticket is in `planned`, the body of the event that planned it.

    Raises:
        Unreadable: One of them is damaged.
    """
    plain, intent = _known(row, _A_SESSION), read_json(planned, _AN_INTENT, halves=True)
    require(SESSION, plain, _A_SESSION)
    require(PLANNED, intent, _AN_INTENT)
    _require_agreement(plain, intent)
    plain["stage"], plain["ticket"] = Stage(plain["stage"]), intent["ticket"]
    for name in ("problems", "restored", "resume_reasons", "lacking"):
        plain[name] = tuple(plain.get(name, ()))
    plain["curve"] = tuple((steps, score) for steps, score in plain.get("curve", ()))
    return SessionRecord(**plain)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn an error of SQLite into one with a remedy."""
    try:
        yield
    except sqlite3.OperationalError as fault:
        raise disk_full(path, fault) from fault
    except sqlite3.DatabaseError as fault:
        raise unreadable(path, str(fault)) from fault


class LedgerRows:
    """Reads the records and events of an open ledger.

    Args:
        connection: The database.
        path: Its file, for errors.

    Raises:
        BadInput: A row, or a page of the file, is damaged. All methods raise it.
        RunFailed: The file cannot be read now. All methods raise it.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def runs(self, lineage_id: str | None = None) -> Sequence[RunRecord]:
        """All runs, of one lineage if named, oldest first."""
        rows = self._rows(sql.ALL_RUNS) if lineage_id is None else self._rows(sql.RUNS_OF, lineage_id)
        return [self._run_of(*row) for row in rows]

    def sessions(self, lineage_id: str | None = None) -> Sequence[SessionRecord]:
        """All sessions, of one lineage if named, oldest first."""
        rows = self._rows(sql.ALL_SESSIONS) if lineage_id is None else self._rows(sql.SESSIONS_OF, lineage_id)
        return [self._session_of(*row) for row in rows]

    def session(self, key: str) -> SessionRecord | None:
        """One session, None if there is none."""
        return next((self._session_of(*row) for row in self._rows(sql.SESSION, key)), None)

    def open_sessions(self) -> Sequence[SessionRecord]:
        """Sessions that are not closed, oldest first."""
        return [self._session_of(*row) for row in self._rows(sql.OPEN_SESSIONS)]

    def last_event(self) -> int:
        """Number of the latest event, 0 without one: equal numbers mean that nothing has changed."""
        ((number,),) = self._rows(sql.LAST_EVENT)
        return int(number)

    @property
    def path(self) -> Path:
        """The file, for errors."""
        return self._path

    @property
    def connection(self) -> sqlite3.Connection:
        """The open database, for tables beside the events."""
        return self._connection

    def events(self) -> Sequence[Event]:
        """Every event, oldest first."""
        rows = self._rows(sql.ALL_EVENTS)
        try:
            return [
                Event(
                    kind=EventKind(kind),
                    at=at,
                    run_id=run_id,
                    session=session,
                    body=read_json(body, f"a {kind}", halves=True),
                )
                for kind, at, run_id, session, body in rows
            ]
        except ValueError as fault:  # an unknown kind, or no JSON
            raise unreadable(self._path, str(fault)) from fault

    def _rows(self, query: str, *parameters: str) -> list[Any]:
        with translated(self._path):
            return self._connection.execute(query, parameters).fetchall()

    def _run(self, run_id: str) -> RunRecord | None:
        return next((self._run_of(*row) for row in self._rows(sql.RUN, run_id)), None)

    def _run_of(self, run_id: str, row: str) -> RunRecord:
        try:
            return run_of(row)
        except Unreadable as fault:
            raise unreadable(self._path, f"{run_id}: {fault}") from fault

    def _session_of(self, key: str, row: str, planned: str | None) -> SessionRecord:
        if planned is None:
            raise unreadable(self._path, f"the event that planned {key} is not there")
        try:
            return session_of(row, planned)
        except Unreadable as fault:
            raise unreadable(self._path, f"{key}: {fault}") from fault
