"""A run: sessions chained until the target is reached, each from the checkpoint that the last one brought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from orchestrator.core.checkpoint.compatibility import worse_grade
from orchestrator.core.checkpoint.inventory import CheckpointInventory
from orchestrator.core.checkpoint.start import Start, decide_start
from orchestrator.core.errors import NameTaken, NotYet, RunFailed
from orchestrator.core.fast_replace import fast_replace
from orchestrator.core.ledger.events import EventKind
from orchestrator.core.run.next_step import Decision, next_step
from orchestrator.core.run.request import RunRequest
from orchestrator.core.run.summary import DETACHED, GOOD_ENDS, ITS_TURN, RunSummary
from orchestrator.core.run.wait_policy import WaitPolicy
from orchestrator.core.section.card import Profile
from orchestrator.core.session.backend_types import Carrier, Handle, Observation, Push
from orchestrator.core.session.end_reason import EndReason
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.run.adoption import adopt, finish_open_sessions, open_sessions, pushed_from_here
from orchestrator.pipeline.run.dry_run import plan_first_session
from orchestrator.pipeline.run.history import (
    close_others,
    continue_interrupted_fresh,
    fresh_run_id,
    in_flight,
    interrupted_run,
    next_session,
    start_run,
)
from orchestrator.pipeline.run.missing_checkpoints import put_back_missing, require_nothing_missing
from orchestrator.pipeline.run.remote_discovery import require_no_unknown_sessions
from orchestrator.pipeline.run.report import announce_session, report_troubles
from orchestrator.pipeline.run.resume_point import OpenedRun, resume_point, with_session
from orchestrator.pipeline.run.second_look import second_look
from orchestrator.pipeline.run.start import open_models, require_compatible
from orchestrator.pipeline.run.walk_back import due_walk_back, walk_back
from orchestrator.pipeline.run.weights_only import require_weights_used
from orchestrator.pipeline.session.inputs import checkpoint_set, session_spec
from orchestrator.pipeline.session.lifecycle import Place, finish_session, prepare
from orchestrator.pipeline.session.submit import retry_until_accepted, submit_session

_NAMES_TRIED = 100


def execute(
    context: RunContext, request: RunRequest, ended: Mapping[str, Observation] = MappingProxyType({})
) -> RunSummary:
    """Carry a run to its target, or to the reason why it cannot go on.

    Args:
        ended: Key of a session in flight -> the look that just saw its end; it is not looked at again.

    Raises:
        BadInput: Nothing was started and nothing was lost.
        RemoteUnavailable: The backend is away; the same command goes on later.
    """
    with context.models.locked():
        done = context.models.recover()
        if done:
            context.warn("restore_finished", f"[CHECKPOINT] {done}")
        flying = in_flight(context, request) if request.detach else None
        if flying is not None:
            return flying
        opened = _open(context, request, ended)
        summary = _chain(context, request, opened)
        if summary.end_reason in (DETACHED, ITS_TURN):
            return summary
        context.record(
            EventKind.RUN_ENDED,
            opened.run_id,
            end_reason=summary.end_reason,
            verdict=summary.verdict,
            steps_done=summary.steps_done,
        )
        return summary


def _open(context: RunContext, request: RunRequest, ended: Mapping[str, Observation]) -> OpenedRun:
    request = continue_interrupted_fresh(context, request)
    if not request.fresh:
        _put_back(context, request)
    # Before anything is waited for, cancelled or put aside: all that can be refused is refused. What a session
    # in flight will still change (which checkpoints are in place) cannot be judged yet.
    if context.wait_policy is WaitPolicy.WAIT and (
        request.fresh or not open_sessions(context, request.card.lineage.id)
    ):
        retry_until_accepted(context, lambda: plan_first_session(context, request))
        if request.fresh and not open_sessions(context, request.card.lineage.id):
            _say_nothing_to_archive(context)
    elif context.wait_policy is WaitPolicy.WAIT:
        request.sizes(context.models.view().steps)
    adopted = finish_open_sessions(context, request.card.lineage.id, fresh=request.fresh, ended=ended)
    view = open_models(context, request.card, fresh=request.fresh)
    record = None if request.fresh else interrupted_run(context, request, view)
    sizes = request.sizes(view.steps, reached_meanwhile=adopted is not None, interrupted=record)
    if context.wait_policy is WaitPolicy.WAIT:  # at another pace the chain asks before it starts anything
        require_weights_used(request, view, require_compatible(context, request, view), sizes.target_steps)
    record = close_others(context, request, record, sizes.target_steps)
    came_from = adopted.judgement.steps_start if adopted else None
    opened = OpenedRun(
        run_id=record.run_id if record else fresh_run_id(context, request),
        view=view,
        sizes=sizes,
        target_steps=sizes.target_steps,
        steps_start=record.steps_start if record else view.steps if came_from is None else came_from,
        adopted=adopted,
        record=record,
    )
    if record is None:
        start_run(context, request, opened.run_id, opened.steps_start, view.steps, opened.target_steps)
    return opened


def _put_back(context: RunContext, request: RunRequest) -> None:
    """Put back what is missing, or refuse before anything is changed, unless a session in flight may still bring it."""
    view = put_back_missing(context, request.card)
    if view.latest is not None or open_sessions(context, request.card.lineage.id):
        return
    if context.wait_policy is WaitPolicy.ONE_STEP:  # a later session, which this ledger does not know, may have them
        require_no_unknown_sessions(context, request.card.section, request.card.lineage.id)
    require_nothing_missing(context, request.card, view)


def _say_nothing_to_archive(context: RunContext) -> None:
    if decide_start(context.models.view(), fresh=True) is Start.NEW:
        context.info("no_effect", "--fresh has no effect: the models directory is empty, the run starts from step 0")


def _chain(context: RunContext, request: RunRequest, opened: OpenedRun) -> RunSummary:
    """Sessions one after another; the summary is kept up to date as they close."""
    standing, summary, place, failed = resume_point(context, request, opened)
    looked_at: set[str] = set()
    while (decision := next_step(standing)).end not in GOOD_ENDS:
        if context.wait_policy is WaitPolicy.COLLECT_ONLY:
            return fast_replace(summary, end_reason=decision.end or ITS_TURN)
        late = second_look(context, request.card.lineage.id, opened.run_id, looked_at)
        if late is not None:
            report_troubles(context, late)
            standing = standing.after(late.judgement.end_reason, late.steps_in_place)
            summary = with_session(summary, late)
            continue
        if not decision.start_session:
            break
        view = context.models.view()
        due = due_walk_back(context, request.card.lineage.id, view)
        if due is not None and due.parent is not None:
            view = walk_back(context, opened.run_id, due)
            standing, place, failed = standing.back_at(view.steps), None, ()
            summary = summary if summary.sessions else fast_replace(summary, steps_start=view.steps)
        elif due is not None and due.why.proven:
            return fast_replace(summary, end_reason=EndReason.CHECKPOINT_UNUSABLE.value, problems=(due.account,))
        # Before every session, not only the first: the code may have been edited since.
        comparison = require_compatible(context, request, view)
        if context.wait_policy is WaitPolicy.ONE_STEP:
            require_no_unknown_sessions(context, request.card.section, request.card.lineage.id)
        place = _next_place(context, request, view, opened.run_id, place, decision)
        announce_session(context, place, view, opened.target_steps, comparison)
        if comparison is not None:
            summary = fast_replace(summary, expected_grade=worse_grade(summary.expected_grade, comparison.grade.word))
        push, handle = _push(context, request, opened.sizes, view, place, failed)
        if request.detach or context.wait_policy is not WaitPolicy.WAIT:
            return fast_replace(summary, end_reason=DETACHED, handle=str(handle))
        place = Place(run_id=opened.run_id, session=push.ticket.session, attempt=push.ticket.attempt)
        closed = finish_session(context, push.ticket, handle)
        report_troubles(context, closed)
        lost = closed.judgement.end_reason is EndReason.CARRIER_MISSING
        failed = (*failed, push.carrier) if lost else ()
        standing = standing.after(closed.judgement.end_reason, closed.steps_in_place)
        summary = with_session(summary, closed)
    return fast_replace(summary, end_reason=decision.end)


def _push(
    context: RunContext,
    request: RunRequest,
    sizes: Profile,
    view: CheckpointInventory,
    place: Place,
    failed: tuple[Carrier, ...],
) -> tuple[Push, Handle]:
    """Prepare and start a session under the first number that is free over there."""
    checkpoints = checkpoint_set(context, request.card, view)
    for session in range(place.session, place.session + _NAMES_TRIED):
        spec = retry_until_accepted(context, lambda: session_spec(context, request, sizes))
        push = prepare(context, spec, replace(place, session=session), checkpoints, failed)
        try:
            return push, submit_session(context, push, request.campaign)
        except NameTaken as taken:
            if _belongs_to_us(context, push):
                raise NotYet(
                    f"{push.slug} exists already, and is taken up",
                    remedy="Run the same command again: it goes on with it.",
                ) from taken
            context.warn("name_taken", f"{taken}; taking the next number")
    raise RunFailed(
        f"{_NAMES_TRIED} session names in a row are taken",
        remedy="Delete old kernels of this lineage on the service's page.",
    )


def _belongs_to_us(context: RunContext, push: Push) -> bool:
    """Whether the session that has the name is one of this very lineage which our ledger did not know.

    A command that stays takes up nothing but what this ledger itself had pushed and given up as lost.
    """
    if context.wait_policy is WaitPolicy.WAIT and context.backend.capabilities.remembers:
        return False  # what such a backend has and nobody fetched was taken up before; the rest `run` is done with
    found = context.backend.read(push.slug)
    return (
        found is not None
        # Else it is a copy that somebody made by hand.
        and (found.ticket.session, found.ticket.attempt) == (push.ticket.session, push.ticket.attempt)
        and found.ticket.lineage_id == push.ticket.lineage_id
        and (context.wait_policy is not WaitPolicy.WAIT or pushed_from_here(context, found.ticket))
        and adopt(context, found, recovered=True)
    )


def _next_place(
    context: RunContext,
    request: RunRequest,
    view: CheckpointInventory,
    run_id: str,
    last: Place | None,
    decision: Decision,
) -> Place:
    if last is not None and decision.same_session:
        return replace(last, attempt=last.attempt + 1)
    return Place(run_id=run_id, session=next_session(context, request, view), attempt=1)
