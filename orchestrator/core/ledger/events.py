"""The ledger's events, and the functions that compute rows from them. A test rebuilds all rows from the events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from orchestrator.core.ledger.records import RunRecord, SessionRecord, Stage
from orchestrator.core.session.end_reason import EFFECTS, Effect, EndReason
from orchestrator.core.session.spec import question_of
from orchestrator.kernel.reading.shapes import MOST_WHOLE


class EventKind(StrEnum):
    """Everything that can happen to a run or a session."""

    RUN_STARTED = "run_started"
    RUN_ENDED = "run_ended"
    WALKED_BACK = "walked_back"
    SESSION_PLANNED = "session_planned"
    SESSION_SUBMITTED = "session_submitted"
    SESSION_MISSED = "session_missed"
    SESSION_SEEN = "session_seen"
    SESSION_IDENTIFIED = "session_identified"
    SESSION_STOP_ASKED = "session_stop_asked"
    SESSION_ENDED = "session_ended"
    SESSION_DEFERRED = "session_deferred"
    SESSION_FETCHED = "session_fetched"
    SESSION_JUDGED = "session_judged"
    SESSION_CLOSED = "session_closed"
    SESSION_SWEPT = "session_swept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One fact: appended to the ledger and never changed.

    Attributes:
        session: Key of the session, None for an event of the run itself.
        body: Fields of the fact, plain JSON.
    """

    kind: EventKind
    at: str
    run_id: str
    session: str | None
    body: Mapping[str, Any]

    @property
    def durable(self) -> bool:
        """Whether it must be on disk before the next act: the intent before a submit."""
        return self.kind is EventKind.SESSION_PLANNED

    @property
    def of_session(self) -> bool:
        """Whether it may hold words of a session or of the backend; the intent holds what was sent."""
        return self.kind not in (EventKind.RUN_STARTED, EventKind.WALKED_BACK, EventKind.SESSION_PLANNED)

    @property
    def tells_of_run(self) -> bool:
        """Whether it changes the row of its run."""
        return self.kind in _OF_RUN


_OF_RUN = frozenset(
    {
        EventKind.RUN_STARTED,
        EventKind.RUN_ENDED,
        EventKind.WALKED_BACK,
        EventKind.SESSION_PLANNED,
        EventKind.SESSION_CLOSED,
    }
)


def fold_run(record: RunRecord | None, event: Event) -> RunRecord:
    """The run's row after one of its events.

    Raises:
        ValueError: The event cannot follow the earlier ones.
    """
    if event.kind is EventKind.RUN_STARTED:
        if record is not None:
            raise ValueError(f"run {event.run_id} was started before")
        return RunRecord(run_id=event.run_id, started_at=event.at, **event.body)
    if record is None:
        raise ValueError(f"{event.kind} of run {event.run_id}, which never started")
    if event.kind is EventKind.RUN_ENDED:
        return replace(record, ended_at=event.at, **{"no_claim": False, **event.body})
    if event.kind is EventKind.WALKED_BACK:
        walk = (int(event.body["left_steps"]), str(event.body["after"]))
        return replace(record, steps_done=int(event.body["to_steps"]), walks=(*record.walks, walk))
    if event.kind is EventKind.SESSION_PLANNED:
        ticket = event.body["ticket"]
        return replace(
            record,
            sessions=record.sessions + 1,
            end_reason=None,
            ended_at=None,
            code_digest=ticket.get("bundle_digest", record.code_digest),
            question=_question(ticket) or record.question,
        )
    if event.kind is EventKind.SESSION_CLOSED:
        return replace(
            record,
            steps_done=int(event.body["models_steps"]),
            sessions=record.sessions - bool(event.body.get("unsubmitted")),
            wall_s=record.wall_s + float(event.body.get("wall_s") or 0.0),
            trained_steps=min(MOST_WHOLE, record.trained_steps + int(event.body.get("trained_steps") or 0)),
            **_failed(record, event.body),
        )
    return record  # the other events do not change the run's row: see `tells_of_run`


def _failed(record: RunRecord, body: Mapping[str, Any]) -> dict[str, Any]:
    """Failures in a row after one more session was closed; a session that was never submitted does not count."""
    if "end_reason" not in body:
        return {}
    effect = EFFECTS[EndReason(body["end_reason"])]
    # After a full disk, restored files are no success: the next session would end in the same way.
    if effect is not Effect.REST and (effect in (Effect.GO_ON, Effect.HALT) or body["restored"]):
        return {"failed_in_row": 0, "failed_at": None}
    return {"failed_in_row": record.failed_in_row + 1, "failed_at": body["ended_at"]}


def _question(ticket: Mapping[str, Any]) -> str | None:
    spec = ticket.get("spec", {})
    if "criteria" not in spec or "evaluation_scenarios" not in spec:
        return None
    return question_of(spec["criteria"] or {}, spec["evaluation_scenarios"])


def fold_session(record: SessionRecord | None, event: Event) -> SessionRecord:
    """The session's row after one of its events.

    Raises:
        ValueError: The event cannot follow the earlier ones.
    """
    if event.session is None:
        raise ValueError(f"{event.kind} names no session")
    if event.kind is EventKind.SESSION_PLANNED:
        if record is not None and not record.never_submitted:
            raise ValueError(f"session {event.session} was planned before")
        return SessionRecord(
            key=event.session,
            run_id=event.run_id,
            stage=Stage.PLANNED,
            planned_at=event.at,
            # A lost session that appears after all brings its own number of lost pushes in the body.
            **{"lost": record.lost_pushes if record else 0, **event.body},
        )
    if record is None:
        raise ValueError(f"{event.kind} of session {event.session}, which was never planned")
    stepped = _STEPS[event.kind](record, event.body)
    # A closed session that is fetched again stays closed.
    return replace(stepped, stage=Stage.CLOSED) if record.stage is Stage.CLOSED else stepped


def _submitted(record: SessionRecord, body: Mapping[str, Any]) -> SessionRecord:
    return replace(record, stage=Stage.SUBMITTED, handle=body["handle"], missed_at=None)


def _missed(record: SessionRecord, body: Mapping[str, Any]) -> SessionRecord:
    # The earlier time counts: a later one that was recorded first comes from a clock that has been set back.
    return replace(record, missed_at=min(record.missed_at or body["since"], body["since"]))


def _seen(record: SessionRecord, body: Mapping[str, Any]) -> SessionRecord:
    return replace(record, missed_at=None)


def _identified(record: SessionRecord, body: Mapping[str, Any]) -> SessionRecord:
    return replace(record, session_id=body["session_id"])


def _stop_asked(record: SessionRecord, body: Mapping[str, Any]) -> SessionRecord:
    return replace(record, stop_asked_by=body["by"])


def _swept(record: SessionRecord, body: Mapping[str, Any]) -> SessionRecord:
    return replace(record, swept=True)


def _ended(record: SessionRecord, body: Mapping[str, Any]) -> SessionRecord:
    return replace(
        record,
        stage=Stage.ENDED,
        native=body["native"],
        observed_exit_code=body["exit_code"],
        observed_reason=body["reason"],
        machine=body.get("machine", record.machine),
    )


def _deferred(record: SessionRecord, body: Mapping[str, Any]) -> SessionRecord:
    """A later look may settle this doubt; its age counts from its first occurrence."""
    known = (record.doubts or {}).get(body["doubt"], {"since": body["since"], "waits": 0})
    # The earlier time counts, as for a missed session.
    doubt = {"since": min(known["since"], body["since"]), "waits": known["waits"] + int(body["waited"])}
    return replace(record, doubts={**(record.doubts or {}), body["doubt"]: doubt})


def _fetched(record: SessionRecord, body: Mapping[str, Any]) -> SessionRecord:
    return replace(record, stage=Stage.FETCHED, results_dir=body["results_dir"])


def _judged(record: SessionRecord, body: Mapping[str, Any]) -> SessionRecord:
    # JSON has lists where the row has tuples.
    tuples: dict[str, Any] = {
        name: tuple(body[name]) for name in ("problems", "resume_reasons", "lacking") if name in body
    }
    if "curve" in body:
        tuples["curve"] = tuple((steps, score) for steps, score in body["curve"])
    return replace(record, stage=Stage.JUDGED, **{"no_claim": False, **body, **tuples})


def _closed(record: SessionRecord, body: Mapping[str, Any]) -> SessionRecord:
    return replace(
        record,
        stage=Stage.CLOSED,
        restored=tuple(body["restored"]),
        models_steps=body.get("models_steps"),
        wall_s=body.get("wall_s"),
    )


_STEPS: Mapping[EventKind, Callable[[SessionRecord, Mapping[str, Any]], SessionRecord]] = {
    EventKind.SESSION_SUBMITTED: _submitted,
    EventKind.SESSION_MISSED: _missed,
    EventKind.SESSION_SEEN: _seen,
    EventKind.SESSION_IDENTIFIED: _identified,
    EventKind.SESSION_STOP_ASKED: _stop_asked,
    EventKind.SESSION_ENDED: _ended,
    EventKind.SESSION_DEFERRED: _deferred,
    EventKind.SESSION_FETCHED: _fetched,
    EventKind.SESSION_JUDGED: _judged,
    EventKind.SESSION_CLOSED: _closed,
    EventKind.SESSION_SWEPT: _swept,
}


def fold(events: Iterable[Event]) -> tuple[dict[str, RunRecord], dict[str, SessionRecord]]:
    """Compute all rows from all events, in order."""
    runs: dict[str, RunRecord] = {}
    sessions: dict[str, SessionRecord] = {}
    for event in events:
        runs[event.run_id] = fold_run(runs.get(event.run_id), event)
        if event.session is not None:
            sessions[event.session] = fold_session(sessions.get(event.session), event)
    return runs, sessions
