"""Records as the text of a row, and back."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

from orchestrator.core.ledger.records import RunRecord, SessionRecord, Stage

# Made once: `json.dumps` would make an encoder for every text.
dump = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False).encode


def plain_row(record: RunRecord | SessionRecord) -> dict[str, Any]:
    """A row's fields that are known; they hold plain JSON already, so none has to be copied."""
    plain = ((field.name, getattr(record, field.name)) for field in fields(record))
    return {name: value for name, value in plain if value is not None}


def run_of(row: str) -> RunRecord:
    """The run of a row."""
    plain = json.loads(row)
    plain["walks"] = tuple((steps, after) for steps, after in plain.get("walks", ()))
    return RunRecord(**plain)


def session_of(row: str, planned: str) -> SessionRecord:
    """The session of a row; its ticket is in `planned`, the body of the event that planned it."""
    plain = json.loads(row)
    plain["stage"], plain["ticket"] = Stage(plain["stage"]), json.loads(planned)["ticket"]
    for name in ("problems", "restored", "resume_reasons", "lacking"):
        plain[name] = tuple(plain.get(name, ()))
    plain["curve"] = tuple((steps, score) for steps, score in plain.get("curve", ()))
    return SessionRecord(**plain)
