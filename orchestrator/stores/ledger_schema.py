"""The tables of the ledger, and how those of an earlier version come up to date."""

from __future__ import annotations

import sqlite3

SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL, kind TEXT NOT NULL, run_id TEXT NOT NULL, session TEXT, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS runs (run_id TEXT PRIMARY KEY, started_at TEXT NOT NULL, row TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS sessions (
    key TEXT PRIMARY KEY, lineage_id TEXT NOT NULL, planned_at TEXT NOT NULL, stage TEXT NOT NULL, row TEXT NOT NULL,
    planned_seq INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS sessions_of_lineage ON sessions (lineage_id);
CREATE INDEX IF NOT EXISTS sessions_open ON sessions (stage) WHERE stage != 'closed';
CREATE INDEX IF NOT EXISTS runs_of_lineage ON runs (json_extract(row, '$.lineage_id'));
"""
_COLUMNS = "SELECT name FROM pragma_table_info('sessions')"
_LEAVE_TICKETS_TO_EVENTS = (
    "ALTER TABLE sessions ADD COLUMN planned_seq INTEGER NOT NULL DEFAULT 0",
    "UPDATE sessions SET row = json_remove(row, '$.ticket'), planned_seq = planned.seq FROM "
    "(SELECT session, max(seq) AS seq FROM events WHERE kind = 'session_planned' GROUP BY session) AS planned "
    "WHERE planned.session = sessions.key",
)
"""An earlier ledger has the ticket, more than half of a session's text, inside of its row or in a column of its own."""


def keeps_tickets_twice(connection: sqlite3.Connection) -> bool:
    """Whether the ledger is of a version whose session rows hold the ticket, which their first event holds as well."""
    return "planned_seq" not in _columns(connection)


def leave_tickets_to_events(connection: sqlite3.Connection) -> None:
    """Let rows name the event that holds their ticket. Within a transaction; another program may have come first."""
    if not keeps_tickets_twice(connection):
        return
    for statement in _LEAVE_TICKETS_TO_EVENTS:
        connection.execute(statement)
    if "ticket" in _columns(connection):
        connection.execute("ALTER TABLE sessions DROP COLUMN ticket")


def _columns(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute(_COLUMNS)}
