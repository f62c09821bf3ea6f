"""The training of a script that runs without a project, from the event file that all its starts share."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.core.checkpoint.log_messages import TAG
from orchestrator.core.ledger.records import SessionRecord, Stage
from orchestrator.core.page.conversion.chain import Chain, Reports
from orchestrator.core.page.conversion.reading import reports_in
from orchestrator.core.page.conversion.settings import flat_settings
from orchestrator.core.reporting.learning_curve import SessionCurve
from orchestrator.core.session.end_reason import EndReason
from orchestrator.core.session.live_progress import LiveProgress
from orchestrator.core.timestamps import latest_time, parse_timestamp
from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.reading.shapes import COUNT, fits
from orchestrator.kernel.reporting.evaluation import evaluation_in
from orchestrator.kernel.reporting.trial_report import CurvePoint

_FRESH = f"{TAG} Starting fresh training"
_LOADED = re.compile(re.escape(TAG) + r" Loading checkpoint .+ \((\d+) steps\)")
"""Both are lines on which users rely, so their texts never change."""

Events = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class AloneScript:
    """A script that ran without a project.

    Attributes:
        name: Of its training.
        command: The command that starts it again.
        newest: Card of its newest checkpoint, None without one.
        live: How far it is, None if no process trains it now.
    """

    name: str
    command: str
    newest: CheckpointCard | None
    live: LiveProgress | None = None


def alone_chain(script: AloneScript, events: Events) -> Chain:
    """The training of a script.

    Args:
        events: Of all its starts, oldest first; values may be anything.
    """
    starts = list(_starts(events))
    newest = script.newest
    grades = {} if newest is None else {one.steps: one.continued for one in newest.ancestry}
    stated = [event["target_steps"] for event in events if fits(COUNT, event.get("target_steps"))]
    target = stated[-1] if stated else None
    records: list[SessionRecord] = []
    reports: dict[str, Reports] = {}
    for number, (start, own) in enumerate(starts, 1):
        last = number == len(starts)
        record = _record(script, number, start, own, target, grades, last=last)
        records.append(record)
        reports[record.key] = reports_in(own, _curve(record, own))
    return Chain(
        lineage_id=newest.lineage_id if newest is not None else script.name,
        label=script.name,
        section=script.name,
        profile="",
        seed=newest.identity.get("seed") if newest is not None else None,
        target_steps=target,
        settings={} if newest is None else flat_settings({"lineage": dict(newest.identity)}),
        command=script.command,
        everything=tuple(records),
        records=tuple(records[_beginning(starts) :]),
        reports=reports,
        grades=grades,
        live=None if script.live is None or not records else replace(script.live, session=records[-1].slug),
    )


def _beginning(starts: Sequence[tuple[int, Events]]) -> int:
    """Place of the start from which the training counts: the latest from step 0 although a checkpoint was in place.

    A start from step 0 after starts that were killed before their first save repeats the same training.
    """
    for place in reversed(range(1, len(starts))):
        before, own = starts[place - 1]
        if starts[place][0] == 0 and (before > 0 or saved_in(own)):
            return place
    return 0


def latest_start(events: Events) -> tuple[int | None, Events]:
    """Steps at the beginning of the latest start of a script, and its events; None and all events without a start.

    Args:
        events: Oldest first; the beginning may be missing.
    """
    starts = list(_starts(events))
    return starts[-1] if starts else (None, events)


def saved_in(events: Events) -> list[int]:
    """Steps of each save, in the order of the events."""
    return [event["steps"] for event in events if event.get("kind") == "saved" and fits(COUNT, event.get("steps"))]


def _starts(events: Events) -> Iterator[tuple[int, Events]]:
    """Steps at the beginning and events of each start of the script."""
    own: list[Mapping[str, Any]] = []
    start: int | None = None
    for event in events:
        begun = _begun(event)
        if begun is not None:
            if start is not None:
                yield start, own
            start, own = begun, []
        own.append(event)
    if start is not None:
        yield start, own


def _begun(event: Mapping[str, Any]) -> int | None:
    text = event.get("text")
    if event.get("kind") != "said" or not isinstance(text, str):
        return None
    if text.startswith(_FRESH):
        return 0
    loaded = _LOADED.match(text)
    return int(loaded[1]) if loaded is not None and fits(COUNT, int(loaded[1])) else None


def _record(
    script: AloneScript,
    number: int,
    start: int,
    events: Events,
    target: int | None,
    grades: Mapping[int, str],
    *,
    last: bool,
) -> SessionRecord:
    """A start of the script as a session."""
    times = [at for event in events if (at := parse_timestamp(str(event.get("at")))) is not None]
    saved = saved_in(events)
    done = saved[-1] if saved else start
    ended = not (last and script.live is not None)
    newest = script.newest
    began_at = times[0].isoformat() if times else "1970-01-01T00:00:00+00:00"
    finished = last and target is not None and done >= target
    return SessionRecord(
        key=f"{script.name}/s{number:02d}a1",
        run_id=script.name,
        lineage_id=newest.lineage_id if newest is not None else script.name,
        session=number,
        attempt=1,
        slug=f"{script.name}, start {number}",
        backend="alone",
        nonce="",
        ticket={"spec": {"target_steps": target}, "bundle_digest": _code(newest)},
        stage=Stage.CLOSED if ended else Stage.SUBMITTED,
        planned_at=began_at,
        handle=script.name,
        end_reason=_end(events, done, finished=finished) if ended else None,
        no_claim=finished and ended,
        steps_start=start,
        steps_done=done,
        resume_grade=grades.get(start) if start else None,
        started_at=began_at,
        ended_at=times[-1].isoformat() if times and ended else None,
        wall_s=(times[-1] - times[0]).total_seconds() if times and ended else None,
    )


def _code(newest: CheckpointCard | None) -> str:
    return "" if newest is None else str(newest.stamp.get("bundle_digest") or "")


def _end(events: Events, done: int, *, finished: bool) -> str:
    """How a start ended: one that reported steps after its last save was killed."""
    if finished:
        return EndReason.FINISHED.value
    seen = [event["steps"] for event in events if fits(COUNT, event.get("steps"))]
    return EndReason.CRASHED.value if seen and max(seen) > done else EndReason.PAUSED.value


def _curve(record: SessionRecord, events: Events) -> SessionCurve:
    points = [evaluation for event in events if (evaluation := evaluation_in(event)) is not None]
    seen = [event["steps"] for event in events if fits(COUNT, event.get("steps"))]
    start = record.steps_start or 0
    return SessionCurve(
        steps_start=start,
        steps_seen=max([start, record.steps_done or 0, *seen]),
        points=tuple(CurvePoint(steps=at, score=score, measures={}, session=record.slug) for at, score in points),
        last_at=latest_time(events),
    )
