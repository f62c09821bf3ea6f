"""What the ledger asks of SQLite and tells it.

Oldest first is by rowid, the order in which rows were first written: a clock may be set back between two of them.
"""

from __future__ import annotations

ALL_EVENTS = "SELECT kind, at, run_id, session, body FROM events ORDER BY seq"
LAST_EVENT = "SELECT coalesce(max(seq), 0) FROM events"
PLANNED = "SELECT session, max(seq) FROM events WHERE kind = 'session_planned' GROUP BY session"
APPEND = "INSERT INTO events (at, kind, run_id, session, body) VALUES (?, ?, ?, ?, ?)"

RUN = "SELECT row FROM runs WHERE run_id = ?"
ALL_RUNS = "SELECT run_id, row FROM runs ORDER BY rowid"
RUNS_OF = "SELECT run_id, row FROM runs WHERE json_extract(row, '$.lineage_id') = ? ORDER BY rowid"
STORE_RUN = "INSERT INTO runs VALUES (?, ?, ?) ON CONFLICT (run_id) DO UPDATE SET row = excluded.row"

SESSION = "SELECT row FROM sessions WHERE key = ?"
SESSION_WITH_TICKET = "SELECT sessions.row, events.body FROM sessions JOIN events ON seq = planned_seq WHERE key = ?"
ALL_SESSIONS = "SELECT key, row FROM sessions ORDER BY rowid"
SESSIONS_OF = "SELECT key, row FROM sessions WHERE lineage_id = ? ORDER BY rowid"
OPEN_SESSIONS = "SELECT key, row FROM sessions INDEXED BY sessions_open WHERE stage != 'closed' ORDER BY rowid"
"""By its index: left to choose, SQLite reads all sessions there ever were, since those are in order already."""
PLAN_SESSION = """
INSERT INTO sessions (key, lineage_id, planned_at, stage, row, planned_seq) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET
planned_at = excluded.planned_at, stage = excluded.stage, row = excluded.row, planned_seq = excluded.planned_seq
"""
STORE_SESSION = "UPDATE sessions SET stage = ?, row = ? WHERE key = ?"
