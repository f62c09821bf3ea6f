"""How a run begins: the interrupted one goes on, or a new one starts. Ledger rows in, an open run out."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

from orchestrator.core.checkpoint.inventory import CheckpointInventory
from orchestrator.core.ledger.records import RunRecord, SessionRecord, Stage
from orchestrator.core.run.open_run import OpenRun, with_session
from orchestrator.core.run.progress import RunProgress, progress_from_history
from orchestrator.core.run.request import RunRequest
from orchestrator.core.run.snapshot import Snapshot
from orchestrator.core.run.summary import RunSummary
from orchestrator.core.session.backend_types import Carrier
from orchestrator.core.session.end_reason import EndReason
from orchestrator.core.session.slug import Place


def open_run(snapshot: Snapshot, request: RunRequest, inventory: CheckpointInventory) -> OpenRun:
    """Where a run starts: the interrupted one goes on, or a new one begins.

    Args:
        inventory: What is in place once leftovers are archived.

    Raises:
        BadInput: The target lies below the steps already done.
    """
    adopted, steps = snapshot.adopted, inventory.steps
    record = None if request.fresh else interrupted_run(snapshot.runs, request, snapshot.backend, steps)
    sizes = request.sizes(steps, reached_meanwhile=adopted is not None, interrupted=record)
    if record is not None and record.target_steps != sizes.target_steps:
        record = None  # another target makes it another run
    began_at = steps if adopted is None or adopted.judgement.steps_start is None else adopted.judgement.steps_start
    steps_start = record.steps_start if record else began_at
    evaluation = None if request.fresh else snapshot.evaluation
    progress = RunProgress(
        steps_done=steps,
        target_steps=sizes.target_steps,
        declared_done=evaluation is not None and evaluation.target_steps == sizes.target_steps,
    )
    run = OpenRun(
        run_id=record.run_id if record else snapshot.new_run_id,
        sizes=sizes,
        steps_start=steps_start,
        progress=progress,
        summary=_first_summary(snapshot, request, steps_start, progress),
        record=record,
        started=record is not None,
    )
    run = replace(run, summary=replace(run.summary, run_id=run.run_id))
    run = _left_off(snapshot, request, run)
    if snapshot.waits and run.progress.last_end is EndReason.DISK_FULL:
        # It ended before this command, which the user gives once there is room.
        return replace(run, progress=replace(run.progress, last_end=EndReason.PAUSED))
    return run


def interrupted_run(runs: Sequence[RunRecord], request: RunRequest, backend: str, steps: int) -> RunRecord | None:
    """The run whose command died with exactly these steps in place, asked for in the same profile."""
    for run in reversed(runs):
        if run.profile == request.profile and run.ended_at is None and run.backend == backend:
            return run if run.steps_done == steps else None
    return None


def _left_off(snapshot: Snapshot, request: RunRequest, run: OpenRun) -> OpenRun:
    progress = run.progress
    if snapshot.adopted:
        run = replace(run, summary=with_session(run.summary, snapshot.adopted))
        progress = replace(progress, last_end=snapshot.adopted.judgement.end_reason, moved_on=True)
    earlier = _closed_sessions(snapshot, run.record) if run.record else []
    known = progress_from_history(earlier, steps_start=run.steps_start, target_steps=run.target_steps)
    # A directory that was emptied by hand meanwhile: this command is the fresh start that the user wanted.
    if known is not None and known.steps_done == progress.steps_done and not known.emptied:
        # How often the run of an interrupted command moved nothing on is remembered.
        there = [record for record in earlier if not record.never_submitted]
        last, failed = _place_and_failed(there) if there else (None, ())
        if there and earlier[-1].never_submitted:
            # The lost push was the next session's, unless the last one that ran had moved nothing on.
            real = progress_from_history(there, steps_start=run.steps_start, target_steps=run.target_steps)
            known = replace(known, moved_on=real is not None and real.moved_on)
            if real is not None and real.last_end is EndReason.FINISHED and real.at_target:
                known = real  # it was fetched again since, and has finished: the lost push changed nothing
        if known.last_end is not EndReason.FINISHED:
            return replace(run, progress=known, last=last, failed=failed)
        if not snapshot.waits and there[-1].evaluated:
            # Only its end was not recorded. `run` looks at what is in place instead, and at today's code.
            ended = there[-1]
            summary = replace(
                run.summary, verdict=ended.verdict, no_claim=ended.no_claim, results_dir=ended.results_dir
            )
            return replace(run, progress=known, summary=summary, last=last, failed=failed)
    asked_to_stop = progress.last_end not in (None, EndReason.FINISHED)
    if progress.at_target and not asked_to_stop and snapshot.evaluation is None:
        # The steps are there and no numbers about them: the next session only evaluates.
        progress = replace(progress, last_end=EndReason.PAUSED)
    return replace(run, progress=progress)


def _closed_sessions(snapshot: Snapshot, run: RunRecord) -> list[SessionRecord]:
    """Sessions of a run that were closed, oldest first."""
    return [one for one in snapshot.sessions if one.run_id == run.run_id and one.stage is Stage.CLOSED]


def _place_and_failed(there: Sequence[SessionRecord]) -> tuple[Place, tuple[Carrier, ...]]:
    last = there[-1]
    missing = itertools.takewhile(lambda record: record.end_reason == EndReason.CARRIER_MISSING, reversed(there))
    failed = tuple(Carrier(record.carrier) for record in missing)
    return Place(run_id=last.run_id, session=last.session, attempt=last.attempt), failed


def _first_summary(snapshot: Snapshot, request: RunRequest, steps_start: int, progress: RunProgress) -> RunSummary:
    last = snapshot.evaluation if progress.at_target else None
    return RunSummary(
        run_id="",
        section=request.card.section,
        profile=request.profile,
        backend=snapshot.backend,
        lineage_id=request.card.lineage.id,
        sessions=0,
        steps_start=steps_start,
        steps_done=progress.steps_done,
        target_steps=progress.target_steps,
        end_reason="",
        verdict=last.verdict if last else None,
        no_claim=last is not None and last.no_claim,
        results_dir=last.results_dir if last else None,
        models_dir=snapshot.inventory.root.as_posix(),
    )
