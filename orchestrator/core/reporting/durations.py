"""How long sessions took: by their manifests, else by their own times and reports."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from orchestrator.core.ledger.records import SessionRecord
from orchestrator.core.reporting.learning_curve import SessionCurve


def duration_s(record: SessionRecord, curve: SessionCurve | None) -> float | None:
    """Wall seconds of a session; None if they are unknown.

    A session that was killed left no manifest: it took at least the time until its latest report.

    Args:
        curve: What it reported, None if that is unknown.
    """
    if record.wall_s is not None:
        return record.wall_s
    ended_at = record.ended_at or (curve.last_at if curve is not None else None)
    if ended_at is None:
        return None
    return max(0.0, (datetime.fromisoformat(ended_at) - record.began_at).total_seconds())


def total_s(sessions: Iterable[tuple[SessionRecord, SessionCurve | None]]) -> float:
    """Wall seconds of all sessions, to the millisecond; a session of unknown duration counts 0."""
    return round(sum(duration_s(record, curve) or 0.0 for record, curve in sessions), 3)
