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
    ticket TEXT NOT NULL DEFAULT '{}');
CREATE INDEX IF NOT EXISTS sessions_of_lineage ON sessions (lineage_id);
CREATE INDEX IF NOT EXISTS sessions_open ON sessions (stage) WHERE stage != 'closed';
CREATE INDEX IF NOT EXISTS runs_of_lineage ON runs (json_extract(row, '$.lineage_id'));
"""
_WITHOUT_TICKETS = "SELECT NOT EXISTS (SELECT 1 FROM pragma_table_info('sessions') WHERE name = 'ticket')"
_MOVE_TICKETS = (
    "ALTER TABLE sessions ADD COLUMN ticket TEXT NOT NULL DEFAULT '{}'",
    "UPDATE sessions SET ticket = json_extract(row, '$.ticket'), row = json_remove(row, '$.ticket')",
)
"""An earlier ledger has the ticket, more than half of a session's text, which never changes, inside of its row."""


def lacks_ticket_column(connection: sqlite3.Connection) -> bool:
    """Whether the ledger is of the version that had tickets inside of rows."""
    return bool(connection.execute(_WITHOUT_TICKETS).fetchone()[0])


def move_tickets(connection: sqlite3.Connection) -> None:
    """Give tickets a column of their own. Within a transaction; another program may have come first."""
    if lacks_ticket_column(connection):
        for statement in _MOVE_TICKETS:
            connection.execute(statement)
