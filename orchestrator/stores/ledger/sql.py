"""The ledger's SQL statements.

"Oldest first" is by rowid, the order in which rows were first written, because a clock may be set back.
"""

from __future__ import annotations

ALL_EVENTS = "SELECT kind, at, run_id, session, body FROM events ORDER BY seq"
LAST_EVENT = "SELECT coalesce(max(seq), 0) FROM events"
PLANNED = "SELECT session, max(seq) FROM events WHERE kind = 'session_planned' GROUP BY session"
APPEND = "INSERT INTO events (at, kind, run_id, session, body) VALUES (?, ?, ?, ?, ?)"

RUN = "SELECT run_id, row FROM runs WHERE run_id = ?"
ALL_RUNS = "SELECT run_id, row FROM runs ORDER BY rowid"
RUNS_OF = "SELECT run_id, row FROM runs WHERE json_extract(row, '$.lineage_id') = ? ORDER BY rowid"
STORE_RUN = "INSERT INTO runs VALUES (?, ?, ?) ON CONFLICT (run_id) DO UPDATE SET row = excluded.row"

_TICKET = "LEFT JOIN events ON seq = planned_seq"
SESSION = f"SELECT key, row, body FROM sessions {_TICKET} WHERE key = ?"
ALL_SESSIONS = f"SELECT key, row, body FROM sessions {_TICKET} ORDER BY sessions.rowid"
SESSIONS_OF = f"SELECT key, row, body FROM sessions {_TICKET} WHERE lineage_id = ? ORDER BY sessions.rowid"
OPEN_SESSIONS = (
    f"SELECT key, row, body FROM sessions INDEXED BY sessions_open {_TICKET} WHERE stage != 'closed'"
    " ORDER BY sessions.rowid"
)
"""By its index: otherwise SQLite reads all sessions, since they are in the wanted order already."""
PLAN_SESSION = """
INSERT INTO sessions (key, lineage_id, planned_at, stage, row, planned_seq) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET
planned_at = excluded.planned_at, stage = excluded.stage, row = excluded.row, planned_seq = excluded.planned_seq
"""
STORE_SESSION = "UPDATE sessions SET stage = ?, row = ? WHERE key = ?"

_SESSION_COLUMNS = """(
    key TEXT PRIMARY KEY, lineage_id TEXT NOT NULL, planned_at TEXT NOT NULL, stage TEXT NOT NULL, row TEXT NOT NULL,
    planned_seq INTEGER NOT NULL)"""
_SESSION_INDEXES = (
    "CREATE INDEX IF NOT EXISTS sessions_of_lineage ON sessions (lineage_id)",
    "CREATE INDEX IF NOT EXISTS sessions_open ON sessions (stage) WHERE stage != 'closed'",
)
TABLES = (
    """CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL, kind TEXT NOT NULL, run_id TEXT NOT NULL, session TEXT, body TEXT NOT NULL)""",
    "CREATE TABLE IF NOT EXISTS runs (run_id TEXT PRIMARY KEY, started_at TEXT NOT NULL, row TEXT NOT NULL)",
    f"CREATE TABLE IF NOT EXISTS sessions {_SESSION_COLUMNS}",
    *_SESSION_INDEXES,
    "CREATE INDEX IF NOT EXISTS runs_of_lineage ON runs (json_extract(row, '$.lineage_id'))",
)
TICKETS_TO_EVENTS = (
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
