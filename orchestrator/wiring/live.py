"""How far the sessions in flight are: reads the ledger and one look at each session, takes no lock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.core.campaign.expansion import Trial
from orchestrator.core.errors import BadInput, NotYet, OrchestratorError
from orchestrator.core.ledger.records import SessionRecord, Stage
from orchestrator.core.section.card import SectionCard
from orchestrator.core.session.backend_types import Handle, Look, SessionState
from orchestrator.core.session.live_progress import LiveProgress, measured
from orchestrator.core.timestamps import parse_timestamp
from orchestrator.kernel.files.outputs import recent_events
from orchestrator.kernel.reading.shapes import COUNT, fits
from orchestrator.kernel.session.container import opened_id
from orchestrator.kernel.wire import ALONE_RUN, ENDING, EVENTS_NAME
from orchestrator.ports import Backend
from orchestrator.stores.ledger.reading import ledger_for_reading
from orchestrator.stores.project import Project
from orchestrator.wiring import LOCAL, make_backend

_SIDE_BY_SIDE = 8
"""Looks at other backends at a time: each may wait some seconds for a log to fall silent."""

_ALONE_QUIET_S = 30.0
"""Twice the longest pause between two reports: a script that was killed says nothing of its end."""

_WITHOUT_LOG = frozenset({SessionState.PENDING, SessionState.ABSENT})

Pair = tuple[SectionCard, SessionRecord]


def live_progress(
    project: Project, card: SectionCard, sessions: Iterable[SessionRecord], *, ask: bool
) -> list[LiveProgress]:
    """The sessions of one section that are not closed; see `live_sessions`."""
    return live_sessions(project, [(card, one) for one in sessions], ask=ask)


def live_sessions(
    project: Project,
    pairs: Iterable[Pair],
    *,
    ask: bool,
    begins: Callable[[str], None] = lambda what: None,
    now: Callable[[], datetime] = lambda: datetime.now(tz=UTC),
) -> list[LiveProgress]:
    """The sessions that are not closed, in the same order; each is looked at once.

    Args:
        pairs: Each session, of any state, with the card of its section.
        ask: Whether to look at sessions on other backends too; else only at those on this computer.
        begins: Receives what begins before the looks at other backends, which may take some seconds.
        now: Aware time, for the seconds until a deadline.
    """
    opened = [(card, one) for card, one in pairs if one.stage is not Stage.CLOSED]
    elsewhere = [(card, one) for card, one in opened if ask and one.handle is not None and one.backend != LOCAL]
    if elsewhere:
        begins(f"Looking at {len(elsewhere)} session(s) on {', '.join(sorted({one.backend for _, one in elsewhere}))}")
    answers = dict(zip((one.key for _, one in elsewhere), _looked_side_by_side(project, elsewhere), strict=True))
    return [progress_of(project, card, one, answers.get(one.key), now()) for card, one in opened]


def trials_in_flight(
    project: Project, trials: Iterable[Trial], *, ask: bool = True, begins: Callable[[str], None] = lambda what: None
) -> dict[str, LiveProgress]:
    """Lineage id -> the session in flight of a trial; see `live_sessions`."""
    with ledger_for_reading(project.own / "ledger.sqlite") as ledger:
        pairs = [(trial.card, one) for trial in trials for one in ledger.sessions(trial.lineage_id)]
    opened = [one for one in pairs if one[1].stage is not Stage.CLOSED]
    found = live_sessions(project, opened, ask=ask, begins=begins)
    return {record.lineage_id: progress for (_, record), progress in zip(opened, found, strict=True)}


def alone_progress(folder: Path, now: datetime) -> LiveProgress | None:
    """How far a script without a section is; None if no process trains it.

    Args:
        folder: Of its training. A script at work reports every 15 s.
        now: Aware time.
    """
    from orchestrator.core.page.conversion.alone import latest_start, saved_in

    events = recent_events(folder / EVENTS_NAME)
    newest = parse_timestamp(str(events[-1].get("at"))) if events else None
    if newest is None or events[-1].get("kind") == ENDING or abs((now - newest).total_seconds()) > _ALONE_QUIET_S:
        return None
    targets = [one["target_steps"] for one in events if fits(COUNT, one.get("target_steps"))]
    target = targets[-1] if targets else None
    start, own = latest_start(events)
    plain: dict[str, Any] = {"steps": start or 0, **measured(own, now)}
    plain["steps"] = max([plain["steps"], *saved_in(own)])
    return LiveProgress(
        **plain,
        session=folder.name,
        backend=ALONE_RUN,
        handle=None,
        stage="",
        state="training now",
        target_steps=target,
    )


def progress_of(
    project: Project, card: SectionCard, record: SessionRecord, answer: Mapping[str, Any] | None, now: datetime
) -> LiveProgress:
    """A session in flight.

    Args:
        answer: Its `events`, and fields of `LiveProgress`; None if its backend was not asked. A session on this
            computer is looked at without it.
        now: Aware time.
    """
    plain: dict[str, Any] = {
        "session": record.slug,
        "backend": record.backend,
        "handle": record.handle,
        "stage": record.stage.value,
        "state": "",
        "steps": record.input_steps,
        "target_steps": record.ticket["spec"]["target_steps"],
        "session_id": record.session_id,
        "stop_asked_by": record.stop_asked_by,
    }
    if answer is None and record.handle is not None and record.backend == LOCAL:
        answer = _answer(project, card, record)
    if answer is not None:
        plain |= measured(answer["events"], now)
        plain |= {name: value for name, value in answer.items() if name != "events"}
    return LiveProgress(**plain)


def _looked_side_by_side(project: Project, pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    if not pairs:
        return []
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(_SIDE_BY_SIDE, len(pairs))) as pool:
        return list(pool.map(lambda pair: _answer(project, *pair), pairs))


def _answer(project: Project, card: SectionCard, record: SessionRecord) -> dict[str, Any]:
    """What one look at a session gives: its events, and fields of `LiveProgress`; why there is none, as its state."""
    handle = Handle.parse(str(record.handle))
    try:
        backend = make_backend(record.backend, project, card, brief=True)
        seen = backend.observe(handle)
        events = () if seen.state in _WITHOUT_LOG else backend.recent_events(handle)
        look = Look(observation=seen, events=events)
        stoppable = _stoppable(backend, handle, record.session_id, look)
        return {"events": look.events, "state": look.observation.native, **stoppable}
    except OrchestratorError as fault:
        return {"events": (), "state": f"its state is unknown: {fault}"}


def _stoppable(backend: Backend, handle: Handle, session_id: int | None, look: Look) -> dict[str, Any]:
    """Whether `cancel` can stop it; its number is in the log if the ledger lacks it."""
    why = ""
    if session_id is None and backend.capabilities.cancel_needs_id:
        session_id = next((number for one in look.events if (number := opened_id(one)) is not None), None)
        try:
            session_id = session_id or backend.identify(handle, look)
        except (BadInput, NotYet) as fault:
            why = str(fault)
    return {"session_id": session_id, "can_cancel": backend.capabilities.can_stop(session_id), "why_not": why}
