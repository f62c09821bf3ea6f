"""What the ledger and the results tell of earlier runs, and what the next one writes beside them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from orchestrator.core.checkpoint.inventory import CheckpointInventory
from orchestrator.core.checkpoint.transport import manifest_holds
from orchestrator.core.errors import BadInput
from orchestrator.core.ledger.events import EventKind
from orchestrator.core.ledger.records import RunRecord, SessionRecord, Stage
from orchestrator.core.run.request import RunRequest
from orchestrator.core.run.summary import DETACHED, RunSummary
from orchestrator.core.section.environment import plain
from orchestrator.core.section.lineage import short
from orchestrator.core.session.end_reason import EndReason
from orchestrator.core.session.settling import without_named
from orchestrator.core.session.slug import session_of_slug
from orchestrator.core.session.spec import question_of
from orchestrator.pipeline.context import RunContext

INTERRUPTED = "interrupted"
"""End of a run whose command died; what it made is in place, another run went on from there."""


def fresh_run_id(context: RunContext, request: RunRequest) -> str:
    """An id that no other run has."""
    moment = context.clock.now().strftime("%Y%m%dT%H%M%S")
    return f"{request.card.section}-{short(request.card.lineage.id)}-{moment}-{context.draw_token()[:4]}"


def continue_interrupted_fresh(context: RunContext, request: RunRequest) -> RunRequest:
    """A repeated `--fresh` goes on with the beginning that the interrupted command made, if its session still runs.

    "Run the same command again" is what an interrupted user is told, and it must not cancel what it should find.
    """
    if not request.fresh:
        return request
    lineage_id = request.card.lineage.id
    in_flight = {record.run_id for record in context.ledger.sessions(lineage_id) if record.stage is not Stage.CLOSED}
    for record in context.ledger.runs(lineage_id):
        if record.fresh and record.ended_at is None and record.run_id in in_flight:
            context.info(
                "fresh_continued",
                "The new beginning of an interrupted --fresh is under way: it is carried on",
                "To begin anew once more, empty the models directory.",
            )
            return replace(request, fresh=False)
    return request


def in_flight(context: RunContext, request: RunRequest) -> RunSummary | None:
    """The session that is in flight already, as a detached command would leave it; None when there is none.

    Raises:
        BadInput: `--fresh` asks for another beginning than the session's own, and a command that leaves cannot make it.
    """
    runs = {record.run_id: record for record in context.ledger.runs(request.card.lineage.id)}
    for session in context.ledger.sessions(request.card.lineage.id):
        if session.stage is Stage.SUBMITTED and session.backend == context.backend.name:
            run = runs[session.run_id]
            if request.fresh and not run.fresh:
                raise BadInput(
                    f"{session.slug} is in flight; --fresh --detach would leave it as it is",
                    remedy="Give --fresh without --detach: it asks the session to end and starts over from step 0.",
                )
            context.info("not_asked", *_not_asked(request, run))
            return RunSummary(
                run_id=run.run_id,
                section=run.section,
                profile=run.profile,
                backend=run.backend,
                lineage_id=run.lineage_id,
                sessions=0,
                steps_start=run.steps_start,
                steps_done=run.steps_done,
                target_steps=run.target_steps,
                end_reason=DETACHED,
                handle=session.handle,
            )
    return None


def _not_asked(request: RunRequest, run: RunRecord) -> list[str]:
    """A line where the session in flight has another target than this command."""
    target_steps = request.target_steps or request.card.profiles[request.profile].target_steps
    if request.add_steps is not None:
        asked = f"--add-steps {request.add_steps}"
    elif target_steps != run.target_steps:
        asked = f"the target of {target_steps} steps"
    else:
        return []
    return [
        f"The session in flight goes to {run.target_steps} steps: {asked} has no effect on it",
        "Give the same command again after it has ended.",
    ]


def start_run(
    context: RunContext, request: RunRequest, run_id: str, steps_start: int, steps_done: int, target_steps: int
) -> None:
    """Write the beginning of a run."""
    profile = request.card.profiles[request.profile]
    context.record(
        EventKind.RUN_STARTED,
        run_id,
        section=request.card.section,
        lineage_id=request.card.lineage.id,
        profile=request.profile,
        backend=context.backend.name,
        target_steps=target_steps,
        steps_start=steps_start,
        steps_done=steps_done,
        fresh=request.fresh,
        campaign=request.campaign,
        code_digest=context.code.bundle().digest,
        question=question_of(plain(request.card.criteria), profile.evaluation_scenarios),
    )


def interrupted_run(context: RunContext, request: RunRequest, view: CheckpointInventory) -> RunRecord | None:
    """The run whose command died with exactly these steps in place, asked for in the same profile."""
    for record in reversed(context.ledger.runs(request.card.lineage.id)):
        if record.profile == request.profile and record.ended_at is None and record.backend == context.backend.name:
            return record if record.steps_done == view.steps else None
    return None


def close_others(
    context: RunContext, request: RunRequest, kept: RunRecord | None, target_steps: int
) -> RunRecord | None:
    """End every open run of this lineage but the one that goes on; the directory's lock says that none lives.

    Runs on other backends stay open: their sessions may be in flight, and `attach` goes on with them.

    Returns:
        The run that goes on: `kept`, unless another target makes it another run.
    """
    if kept is not None and kept.target_steps != target_steps:
        kept = None
    for record in context.ledger.runs(request.card.lineage.id):
        alive = kept is not None and record.run_id == kept.run_id
        if record.backend == context.backend.name and record.ended_at is None and not alive:
            context.record(
                EventKind.RUN_ENDED, record.run_id, end_reason=INTERRUPTED, verdict=None, steps_done=record.steps_done
            )
    return kept


def next_session(context: RunContext, request: RunRequest, view: CheckpointInventory) -> int:
    """A number that no session of this lineage has had, so that no result is ever overwritten."""
    lineage_id = request.card.lineage.id
    used = [record.session for record in context.ledger.sessions(lineage_id) if not record.never_submitted]
    slugs = context.results.taken(context.backend.capabilities.owner)
    used += [number for slug in slugs if (number := session_of_slug(slug, lineage_id)) is not None]
    used += [int(card.stamp["session"]) for card in view.verified]
    return max(used, default=0) + 1


def closed_sessions(context: RunContext, run: RunRecord) -> list[SessionRecord]:
    """Sessions of a run that an earlier command carried to their end, oldest first."""
    records = context.ledger.sessions(run.lineage_id)
    return [record for record in records if record.run_id == run.run_id and record.stage is Stage.CLOSED]


def last_evaluation(context: RunContext, request: RunRequest, view: CheckpointInventory) -> SessionRecord | None:
    """The session whose verdict is about exactly what is in place, by exactly what is asked now.

    That is: it finished, its outputs are still there and whole, they hold the newest checkpoint byte for byte,
    its code and criteria are those of today, and it met at least as many scenarios.
    """
    if view.latest is None:
        return None
    newest = [entry for entry in view.entries if Path(entry.path).name.startswith(f"{view.latest.stem}.")]
    criteria = plain(request.card.criteria)
    least_scenarios = request.card.profiles[request.profile].evaluation_scenarios
    code_digest = context.code.bundle().digest
    for record in reversed(context.ledger.sessions(request.card.lineage.id)):
        spec = record.ticket["spec"]
        same_question = spec["criteria"] == criteria and spec["evaluation_scenarios"] >= least_scenarios
        if record.end_reason != EndReason.FINISHED or record.verdict is None or record.results_dir is None:
            continue
        if not same_question or record.ticket["bundle_digest"] != code_digest or record.steps_done != view.steps:
            continue
        manifest, faults = context.results.manifest(Path(record.results_dir))
        whole = not without_named(faults, record.lacking)
        if manifest is not None and whole and manifest_holds(manifest, request.card.directory, newest):
            return record
    return None
