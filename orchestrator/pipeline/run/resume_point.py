"""Where a run goes on: how it was opened, what its earlier sessions left, what it came to so far."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from orchestrator.core.checkpoint.compatibility import worse_grade
from orchestrator.core.checkpoint.inventory import CheckpointInventory
from orchestrator.core.fast_replace import fast_replace
from orchestrator.core.ledger.records import RunRecord, SessionRecord
from orchestrator.core.run.next_step import RunProgress, progress_from_history
from orchestrator.core.run.request import RunRequest
from orchestrator.core.run.summary import RunSummary
from orchestrator.core.run.wait_policy import WaitPolicy
from orchestrator.core.section.card import Profile
from orchestrator.core.session.backend_types import Carrier
from orchestrator.core.session.end_reason import EndReason
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.run.history import closed_sessions, last_evaluation
from orchestrator.pipeline.session.lifecycle import ClosedSession, Place


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedRun:
    """A run that knows where it starts.

    Attributes:
        record: An interrupted run that this command goes on with, None for a run of its own.
    """

    run_id: str
    view: CheckpointInventory
    sizes: Profile
    target_steps: int
    steps_start: int
    adopted: ClosedSession | None = None
    record: RunRecord | None = None


def resume_point(
    context: RunContext, request: RunRequest, opened: OpenedRun
) -> tuple[RunProgress, RunSummary, Place | None, tuple[Carrier, ...]]:
    """Where the chain stands, what it came to so far, its last session's place, and carriers that failed it."""
    standing, summary, place, failed = _left_off(context, request, opened)
    if context.wait_policy is WaitPolicy.WAIT and standing.last_end is EndReason.DISK_FULL:
        # It ended before this command, which the user gives once there is room.
        standing = replace(standing, last_end=EndReason.PAUSED)
    return standing, summary, place, failed


def _left_off(
    context: RunContext, request: RunRequest, opened: OpenedRun
) -> tuple[RunProgress, RunSummary, Place | None, tuple[Carrier, ...]]:
    summary = _first_summary(context, request, opened)
    standing = RunProgress(steps_done=opened.view.steps, target_steps=opened.target_steps)
    if opened.adopted:
        standing = replace(standing, last_end=opened.adopted.judgement.end_reason, moved_on=True)
        summary = with_session(summary, opened.adopted)
    earlier = closed_sessions(context, opened.record) if opened.record else []
    known = progress_from_history(earlier, steps_start=opened.steps_start, target_steps=opened.target_steps)
    # Emptied by hand while nobody watched: this command is the new beginning that the user wanted.
    if known is not None and known.steps_done == opened.view.steps and not known.emptied:
        # The run of a command that is gone: how often it moved nothing on is remembered, not forgiven.
        there = [record for record in earlier if not record.never_submitted]
        place, failed = _place_and_failed(there) if there else (None, ())
        if there and earlier[-1].never_submitted:
            # The push that never came to be was the next session's, unless the last one that was had moved nothing on.
            real = progress_from_history(there, steps_start=opened.steps_start, target_steps=opened.target_steps)
            known = replace(known, moved_on=real is not None and real.moved_on)
            if real is not None and real.last_end is EndReason.FINISHED and real.at_target:
                known = real  # it was fetched again since, and has finished: the lost push was for nothing
        if known.last_end is not EndReason.FINISHED:
            return known, summary, place, failed
        if context.wait_policy is not WaitPolicy.WAIT and there[-1].verdict is not None:
            # Only its end was not written down. `run` looks at what is in place instead, and at today's code.
            verdict, folder = there[-1].verdict, there[-1].results_dir
            return known, fast_replace(summary, verdict=verdict, results_dir=folder), place, failed
    asked_to_stop = standing.last_end not in (None, EndReason.FINISHED)
    if standing.at_target and not asked_to_stop and last_evaluation(context, request, opened.view) is None:
        # The steps are there and no numbers about them: the next session only evaluates.
        standing = replace(standing, last_end=EndReason.PAUSED)
    return standing, summary, None, ()


def _place_and_failed(there: Sequence[SessionRecord]) -> tuple[Place, tuple[Carrier, ...]]:
    last = there[-1]
    missing = itertools.takewhile(lambda record: record.end_reason == EndReason.CARRIER_MISSING, reversed(there))
    failed = tuple(Carrier(record.carrier) for record in missing)
    return Place(run_id=last.run_id, session=last.session, attempt=last.attempt), failed


def _first_summary(context: RunContext, request: RunRequest, opened: OpenedRun) -> RunSummary:
    last = last_evaluation(context, request, opened.view) if opened.view.steps >= opened.target_steps else None
    return RunSummary(
        run_id=opened.run_id,
        section=request.card.section,
        profile=request.profile,
        backend=context.backend.name,
        lineage_id=request.card.lineage.id,
        sessions=0,
        steps_start=opened.steps_start,
        steps_done=opened.view.steps,
        target_steps=opened.target_steps,
        end_reason="",
        verdict=last.verdict if last else None,
        results_dir=last.results_dir if last else None,
        models_dir=opened.view.root.as_posix(),
    )


def with_session(summary: RunSummary, closed: ClosedSession) -> RunSummary:
    """The summary after one more session."""
    judgement = closed.judgement
    return fast_replace(
        summary,
        sessions=summary.sessions + 1,
        steps_done=closed.steps_in_place,
        session_exit_code=judgement.exit_code,
        verdict=judgement.verdict.value if judgement.verdict else None,
        verdict_reasons=judgement.verdict_reasons,
        results_dir=closed.results_dir.as_posix(),
        restored=closed.restored,
        resume_grade=worse_grade(summary.resume_grade, judgement.resume_grade),
        resume_reasons=(*summary.resume_reasons, *(_new(judgement.resume_reasons, summary.resume_reasons))),
        problems=judgement.problems,
        lacking=judgement.lacking,
    )


def _new(reasons: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(reason for reason in reasons if reason not in known)
