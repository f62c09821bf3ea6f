"""Reads a session's event file: its steps and its evaluations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.core.errors import RunFailed
from orchestrator.core.ledger.records import SessionRecord
from orchestrator.core.reporting.learning_curve import SessionCurve
from orchestrator.core.timestamps import latest_time
from orchestrator.kernel.reading.json_text import Unreadable, read_bounded, read_lines
from orchestrator.kernel.reading.shapes import COUNT, fits
from orchestrator.kernel.reporting.evaluation import evaluation_in
from orchestrator.kernel.reporting.trial_report import CurvePoint
from orchestrator.kernel.wire import EVENTS_NAME


def session_curve(record: SessionRecord) -> SessionCurve | None:
    """The learning curve of a session; None for one that never ran.

    A killed session has no manifest, so its steps come from its start and its event file. Without an event file the
    recorded steps count, and there are no points.

    Raises:
        RunFailed: The file belongs to another session, or cannot be read.
    """
    begun = record.steps_begun
    if begun is None:
        return None
    path = Path(record.results_dir) / EVENTS_NAME if record.results_dir else None
    events = own_events(record, path) if path is not None and path.is_file() else []
    return curve_in(events, record, begun)


def own_events(record: SessionRecord, path: Path) -> list[dict[str, Any]]:
    """The events of a session's event file.

    Raises:
        RunFailed: The file belongs to another session, or cannot be read.
    """
    events = list(_events(path))
    _require_own(events, record, path)
    return events


def curve_in(events: Sequence[Mapping[str, Any]], record: SessionRecord, begun: int) -> SessionCurve:
    """The learning curve in a session's events.

    Args:
        begun: Steps from which the session continued.
    """
    seen = [event["steps"] for event in events if fits(COUNT, event.get("steps"))]
    return SessionCurve(
        steps_start=begun,
        steps_seen=max([begun, record.steps_done or 0, *seen]),
        points=tuple(point for event in events if (point := _point(event, record.slug)) is not None),
        last_at=latest_time(events),
    )


def readable_events(path: Path) -> list[dict[str, Any]]:
    """The events of a file, without damaged lines; the script that writes it may be running.

    Raises:
        Unreadable: The file is too large, or no regular file.
    """
    content = read_bounded(path, MOST_EVENT_BYTES)
    return [event for _, event in read_lines(content, str(path)) if isinstance(event, dict)]


def _point(event: Mapping[str, Any], slug: str) -> CurvePoint | None:
    read = evaluation_in(event)
    if read is None:
        return None
    stated = event.get("measures")
    measures = stated if isinstance(stated, dict) else {}
    finite = {name: value for name, value in measures.items() if isinstance(value, int | float)}
    return CurvePoint(steps=read[0], score=read[1], measures=finite, session=slug)


def evaluations_in(folder: Path) -> tuple[tuple[int, float], ...]:
    """Evaluations that a session reported, oldest first: steps and score.

    Damaged lines are skipped, and so is a damaged file: the ledger records what can be read, also of a killed session.
    """
    path = folder / EVENTS_NAME
    try:
        events = readable_events(path) if path.is_file() else []
    except Unreadable:
        return ()
    return tuple(point for event in events if (point := evaluation_in(event)) is not None)


def _events(path: Path) -> Iterator[dict[str, Any]]:
    """The events of a file; the last line may be incomplete if the session was killed."""
    try:
        content = read_bounded(path, MOST_EVENT_BYTES)
    except Unreadable as fault:
        raise RunFailed(str(fault), remedy=_REMEDY) from fault
    last = content.count(b"\n") + 1
    for number, event in read_lines(content, str(path)):
        if isinstance(event, dict):
            yield event
        elif number < last:
            raise RunFailed(str(event), remedy=_REMEDY) from event


def _require_own(events: list[dict[str, Any]], record: SessionRecord, path: Path) -> None:
    nonces = {str(event.get("nonce")) for event in events if event.get("kind") == "started"}
    if nonces - {record.nonce}:
        raise RunFailed(f"{path} was written by another session than {record.slug}", remedy=_REMEDY)


MOST_EVENT_BYTES = 64 << 20
"""A session stops to write events at 2 MB."""
_REMEDY = "Download the session's outputs again with `fetch`."
