"""A run: sessions chained until the target is reached, each from the checkpoint that the last one brought."""

from __future__ import annotations

from dataclasses import dataclass, replace

from orchestrator.core.chaining import Decision, Standing, decide
from orchestrator.core.endings import REMEDIES, EndReason
from orchestrator.core.errors import NameTaken, RunFailed
from orchestrator.core.events import EventKind
from orchestrator.core.exchange import Carrier, Handle, Push
from orchestrator.core.lineages import short
from orchestrator.core.models import ModelsView
from orchestrator.core.naming import session_of_slug
from orchestrator.core.records import SessionRecord
from orchestrator.core.requests import RunRequest
from orchestrator.core.sections import Profile
from orchestrator.core.summary import RunSummary
from orchestrator.pipeline.opening import adopt, open_models, require_compatible
from orchestrator.pipeline.parts import Parts
from orchestrator.pipeline.session import ClosedSession, Place, carry, prepare
from orchestrator.pipeline.submitting import start, when_possible
from orchestrator.pipeline.supplies import checkpoint_set, session_spec

_NAMES_TRIED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """A run that knows where it starts."""

    view: ModelsView
    sizes: Profile
    target_steps: int
    adopted: ClosedSession | None = None


def plan_first_session(parts: Parts, request: RunRequest) -> Push:
    """What `run` would push first, without changing anything: for `--dry-run` and `render`.

    Raises:
        BadInput: As `execute` would.
    """
    view = parts.models.view()
    if request.fresh or not view.verified:
        view = replace(view, verified=(), entries=())
    sizes = request.sizes(view.steps)
    require_compatible(parts, request.card, view, parts.code.bundle().digest)
    place = Place(run_id=_run_id(parts, request), session=_next_session(parts, request, view), attempt=1)
    return prepare(parts, session_spec(parts, request, sizes), place, checkpoint_set(parts, request.card, view))


def execute(parts: Parts, request: RunRequest) -> RunSummary:
    """Carry a run to its target, or to the reason why it cannot go on.

    Raises:
        BadInput: Nothing was started and nothing was lost.
        RemoteUnavailable: The backend is away; the same command goes on later.
    """
    with parts.models.locked():
        done = parts.models.recover()
        if done:
            parts.narrator.say(f"[CHECKPOINT] {done}")
        opened = _open(parts, request)
        run_id = _run_id(parts, request)
        _record_start(parts, request, opened, run_id)
        summary = _chain(parts, request, opened, run_id)
        parts.record(
            EventKind.RUN_ENDED,
            run_id,
            end_reason=summary.end_reason,
            verdict=summary.verdict,
            steps_done=summary.steps_done,
        )
        return summary


def _open(parts: Parts, request: RunRequest) -> _Opened:
    adopted = adopt(parts, request.card.lineage.id, fresh=request.fresh)
    view = parts.models.view() if adopted else open_models(parts, fresh=request.fresh)
    sizes = request.sizes(view.steps)
    if sizes.target_steps is None:
        raise ValueError("a run's sizes always have a target")
    require_compatible(parts, request.card, view, parts.code.bundle().digest)
    return _Opened(view=view, sizes=sizes, target_steps=sizes.target_steps, adopted=adopted)


def _record_start(parts: Parts, request: RunRequest, opened: _Opened, run_id: str) -> None:
    parts.record(
        EventKind.RUN_STARTED,
        run_id,
        section=request.card.section,
        lineage_id=request.card.lineage.id,
        profile=request.profile,
        backend=parts.backend.name,
        target_steps=opened.target_steps,
        steps_start=opened.view.steps,
        steps_done=opened.view.steps,
    )


def _chain(parts: Parts, request: RunRequest, opened: _Opened, run_id: str) -> RunSummary:
    """Sessions one after another; the summary is kept up to date as they close."""
    standing = Standing(steps_done=opened.view.steps, target_steps=opened.target_steps)
    summary = _first_summary(parts, request, opened, run_id)
    if opened.adopted:
        standing = replace(standing, last_end=opened.adopted.judgement.end_reason, moved_on=True)
        summary = _with_session(summary, opened.adopted)
    elif standing.at_target and _evaluation_is_owed(parts, request, opened.view):
        standing = replace(standing, last_end=EndReason.PAUSED)
    place: Place | None = None
    failed: tuple[Carrier, ...] = ()
    while (decision := decide(standing)).start_session:
        view = parts.models.view()
        place = _next_place(parts, request, view, run_id, place, decision)
        _announce(parts, place, view, opened.target_steps)
        push, handle = _push(parts, request, opened.sizes, view, place, failed)
        place = Place(run_id=run_id, session=push.ticket.session, attempt=push.ticket.attempt)
        closed = carry(parts, push.ticket, handle)
        _tell_troubles(parts, closed)
        lost = closed.judgement.end_reason is EndReason.CARRIER_MISSING
        failed = (*failed, push.carrier) if lost else ()
        standing = standing.after(closed.judgement.end_reason, closed.steps_in_place)
        summary = _with_session(summary, closed)
    return replace(summary, end_reason=decision.end)


def _push(
    parts: Parts,
    request: RunRequest,
    sizes: Profile,
    view: ModelsView,
    place: Place,
    failed: tuple[Carrier, ...],
) -> tuple[Push, Handle]:
    """Prepare and start a session under the first number that is free over there."""
    checkpoints = checkpoint_set(parts, request.card, view)
    for session in range(place.session, place.session + _NAMES_TRIED):
        spec = when_possible(parts, lambda: session_spec(parts, request, sizes))
        push = prepare(parts, spec, replace(place, session=session), checkpoints, failed)
        try:
            return push, start(parts, push)
        except NameTaken as taken:
            parts.narrator.say(f"{taken}; taking the next number")
    raise RunFailed(
        f"{_NAMES_TRIED} session names in a row are taken",
        remedy="Delete old kernels of this lineage on the service's page.",
    )


def _first_summary(parts: Parts, request: RunRequest, opened: _Opened, run_id: str) -> RunSummary:
    last = _last_finished(parts, request, opened.view)
    return RunSummary(
        run_id=run_id,
        section=request.card.section,
        profile=request.profile,
        backend=parts.backend.name,
        lineage_id=request.card.lineage.id,
        sessions=0,
        steps_start=opened.view.steps,
        steps_done=opened.view.steps,
        target_steps=opened.target_steps,
        end_reason="",
        verdict=last.verdict if last else None,
        results_dir=last.results_dir if last else None,
        models_dir=opened.view.root.as_posix(),
    )


def _with_session(summary: RunSummary, closed: ClosedSession) -> RunSummary:
    judgement = closed.judgement
    return replace(
        summary,
        sessions=summary.sessions + 1,
        steps_done=closed.steps_in_place,
        session_exit_code=judgement.exit_code,
        verdict=judgement.verdict.value if judgement.verdict else None,
        verdict_reasons=judgement.verdict_reasons,
        results_dir=closed.results_dir.as_posix(),
        restored=closed.restored,
        resume_grade=summary.resume_grade or judgement.resume_grade,
        problems=judgement.problems,
    )


def _next_place(
    parts: Parts, request: RunRequest, view: ModelsView, run_id: str, last: Place | None, decision: Decision
) -> Place:
    if last is not None and decision.same_session:
        return replace(last, attempt=last.attempt + 1)
    return Place(run_id=run_id, session=_next_session(parts, request, view), attempt=1)


def _next_session(parts: Parts, request: RunRequest, view: ModelsView) -> int:
    """A number that no session of this lineage has had, so that no result is ever overwritten."""
    lineage_id = request.card.lineage.id
    used = [record.session for record in parts.ledger.sessions(lineage_id)]
    slugs = parts.results.taken(parts.backend.capabilities.owner)
    used += [number for slug in slugs if (number := session_of_slug(slug, lineage_id)) is not None]
    used += [int(card.stamp["session"]) for card in view.verified]
    return max(used, default=0) + 1


def _last_finished(parts: Parts, request: RunRequest, view: ModelsView) -> SessionRecord | None:
    """The session that evaluated exactly what is in place, if the ledger knows it."""
    for record in reversed(parts.ledger.sessions(request.card.lineage.id)):
        if record.end_reason == EndReason.FINISHED and record.steps_done == view.steps and view.latest:
            return record
    return None


def _evaluation_is_owed(parts: Parts, request: RunRequest, view: ModelsView) -> bool:
    """Whether a session that the ledger knows reached this checkpoint and none has evaluated it since."""
    if view.latest is None or _last_finished(parts, request, view) is not None:
        return False
    known = {record.nonce for record in parts.ledger.sessions(request.card.lineage.id)}
    return view.latest.stamp.get("nonce") in known


def _announce(parts: Parts, place: Place, view: ModelsView, target_steps: int) -> None:
    start_text = f"from {view.steps} steps" if view.latest else "from the beginning"
    attempt = f", attempt {place.attempt}" if place.attempt > 1 else ""
    parts.narrator.say(f"Session {place.session}{attempt}: {start_text} to {target_steps} steps")


def _tell_troubles(parts: Parts, closed: ClosedSession) -> None:
    judgement = closed.judgement
    for problem in judgement.problems:
        parts.narrator.say(f"Problem: {problem}")
    if judgement.error:
        parts.narrator.say(*judgement.error.rstrip().splitlines()[-12:])
    if judgement.end_reason in REMEDIES:
        parts.narrator.say(
            f"Session ended: {judgement.end_reason} (log: {closed.results_dir / 'kernel.log'})",
            REMEDIES[judgement.end_reason],
        )


def _run_id(parts: Parts, request: RunRequest) -> str:
    moment = parts.clock.now().strftime("%Y%m%dT%H%M%S")
    return f"{request.card.section}-{short(request.card.lineage.id)}-{moment}-{parts.draw_token()[:4]}"
