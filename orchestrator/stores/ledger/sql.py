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
