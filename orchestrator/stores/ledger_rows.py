"""Records as the text of a row, and back."""

from __future__ import annotations

import json
from typing import Any

from orchestrator.core.records import Record, RunRecord, SessionRecord, Stage

KEPT_ROWS = 4096

# Made once: `json.dumps` would make one for every text.
dump = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False).encode


def plain_row(record: RunRecord | SessionRecord) -> dict[str, Any]:
    """A row's fields that are known; they hold plain JSON already, so none has to be copied."""
    return {name: value for name, value in vars(record).items() if value is not None}


def keep(known: dict[str, tuple[str, Record]], name: str, row: str, record: Record) -> Record:
    """Remember what the text of a row says; when too many are known all are forgotten."""
    if len(known) >= KEPT_ROWS and name not in known:
        known.clear()
    known[name] = row, record
    return record


def run_of(row: str) -> RunRecord:
    """The run of a row."""
    return RunRecord(**json.loads(row))


def session_of(row: str, ticket: str) -> SessionRecord:
    """The session of a row and of the ticket beside it."""
    plain = json.loads(row)
    plain["stage"], plain["ticket"] = Stage(plain["stage"]), json.loads(ticket)
    for name in ("problems", "restored", "resume_reasons"):
        plain[name] = tuple(plain.get(name, ()))
    plain["curve"] = tuple((steps, score) for steps, score in plain.get("curve", ()))
    return SessionRecord(**plain)
