"""The tables of the ledger, the records as the text of their rows, and the migration from earlier versions."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from orchestrator.core.ledger.records import RunRecord, SessionRecord, Stage
from orchestrator.kernel.reading.json_text import Unreadable, read_json, shown
from orchestrator.kernel.reading.shapes import TABLE, require
from orchestrator.stores.ledger.row_shapes import PLANNED, RUN, SESSION

_SESSION_COLUMNS = """(
    key TEXT PRIMARY KEY, lineage_id TEXT NOT NULL, planned_at TEXT NOT NULL, stage TEXT NOT NULL, row TEXT NOT NULL,
    planned_seq INTEGER NOT NULL)"""
_SESSION_INDEXES = (
    "CREATE INDEX IF NOT EXISTS sessions_of_lineage ON sessions (lineage_id)",
    "CREATE INDEX IF NOT EXISTS sessions_open ON sessions (stage) WHERE stage != 'closed'",
)
_TABLES = (
    """CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL, kind TEXT NOT NULL, run_id TEXT NOT NULL, session TEXT, body TEXT NOT NULL)""",
    "CREATE TABLE IF NOT EXISTS runs (run_id TEXT PRIMARY KEY, started_at TEXT NOT NULL, row TEXT NOT NULL)",
    f"CREATE TABLE IF NOT EXISTS sessions {_SESSION_COLUMNS}",
    *_SESSION_INDEXES,
    "CREATE INDEX IF NOT EXISTS runs_of_lineage ON runs (json_extract(row, '$.lineage_id'))",
)
_TICKETS_TO_EVENTS = (
    f"CREATE TABLE sessions_of_today {_SESSION_COLUMNS}",
    "INSERT INTO sessions_of_today "
    "SELECT key, lineage_id, planned_at, stage, json_remove(row, '$.ticket'), seq FROM sessions JOIN "
    "(SELECT session, max(seq) AS seq FROM events WHERE kind = 'session_planned' GROUP BY session) ON session = key "
    "ORDER BY sessions.rowid",
    "DROP TABLE sessions",
    "ALTER TABLE sessions_of_today RENAME TO sessions",
    *_SESSION_INDEXES,
)
"""Earlier ledgers store the ticket, more than half of a session's text, in its row or in a column of its own.

Copied to a new table, because SQLite can drop a column only since 3.35, which not every Python 3.11 has.
"""


_COLUMNS_IN_JSON = (
    ("runs", "the row of run", ("run_id",)),
    ("sessions", "the row of session", ("key", "lineage_id", "stage")),
)


def create_schema(connection: sqlite3.Connection) -> None:
    """Create the tables that do not exist."""
    for statement in _TABLES:
        connection.execute(statement)


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
        for statement in _TICKETS_TO_EVENTS:
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
