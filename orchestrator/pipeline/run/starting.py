"""Start a session: prepare the push, open the run, submit. What can be refused is refused before anything changes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from orchestrator.core.checkpoint.inventory import CheckpointInventory, archived_too, own_files
from orchestrator.core.checkpoint.log_messages import TAG, walked_back
from orchestrator.core.checkpoint.missing import gone_lines
from orchestrator.core.checkpoint.start import StartMode
from orchestrator.core.errors import NameTaken, NotYet, RunFailed
from orchestrator.core.ledger.events import EventKind
from orchestrator.core.ledger.records import AskedBy, Stage
from orchestrator.core.run.actions import Finish, Start
from orchestrator.core.run.next_action import when_idle
from orchestrator.core.run.open_run import OpenRun
from orchestrator.core.run.request import RunRequest
from orchestrator.core.run.snapshot import Snapshot, missing_steps
from orchestrator.core.run.summary import GOOD_ENDS
from orchestrator.core.session.backend_types import Handle, Push
from orchestrator.core.session.end_reason import EFFECTS, Effect
from orchestrator.core.session.slug import Place
from orchestrator.core.session.spec import question_of
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.run.adoption import adopt, pushed_from_here
from orchestrator.pipeline.session.lifecycle import prepare
from orchestrator.pipeline.session.machine import kept_machine
from orchestrator.pipeline.session.submit import checkpoint_set, retry_until_accepted, session_spec, submit_session

INTERRUPTED = "interrupted"
"""End of a run whose command died; what it made is in place, another run went on from there."""
_HALTS = frozenset(end.value for end, effect in EFFECTS.items() if effect is Effect.HALT)

_NAMES_TRIED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A run whose beginning is in the ledger, and what is in place then."""

    run: OpenRun
    inventory: CheckpointInventory


def prepare_start(
    context: RunContext, request: RunRequest, snapshot: Snapshot, start: Start, place: Place | None = None
) -> Push:
    """The request of the session that would start, proven; nothing is sent or written, and nothing is waited for.

    Args:
        place: Another place for it than the planned one.

    Raises:
        BadInput: It cannot be sent.
        NotYet: The quota left is too short for a session.
        RemoteUnavailable: The backend does not name the image of the earlier session.
    """
    if snapshot.bundle is None:
        raise ValueError("no session can follow")
    spec = session_spec(context, request, start.run.sizes)
    checkpoints = checkpoint_set(context, request.card, start.inventory)
    machine = None
    if context.backend.capabilities.keeps_images:
        machine = kept_machine(context, request.card.section, start.inventory, request.new_image_before)
    return prepare(context, spec, place or start.place, checkpoints, snapshot.bundle, start.run.failed, machine)


def wait_and_prepare(
    context: RunContext, request: RunRequest, snapshot: Snapshot, start: Start, place: Place | None = None
) -> Push:
    """As `prepare_start`, once the quota allows a session."""
    return retry_until_accepted(context, lambda: prepare_start(context, request, snapshot, start, place))


def begin_run(context: RunContext, request: RunRequest, snapshot: Snapshot, run: OpenRun, mode: StartMode) -> Opened:
    """Archive what the run does not use, end other runs, and record its beginning. Does nothing for an open run."""
    inventory = snapshot.inventory
    if snapshot.done.run is not None:
        return Opened(run=run, inventory=inventory)
    context.warn("checkpoint_gone", *gone_lines(inventory, backend=snapshot.backend, steps=missing_steps(snapshot)))
    if mode in (StartMode.ARCHIVE_FRESH, StartMode.ARCHIVE_LEFTOVERS):
        inventory = _archive(context, inventory, mode)
    elif request.fresh and not snapshot.done.released and context.waits and _starts_anyway(snapshot, request):
        context.info("no_effect", "--fresh has no effect: the models directory is empty, the run starts from step 0")
    context.detail("own_files", *own_files(inventory.own, inventory.root.as_posix()))
    if inventory.latest is not None:
        newer = {stem: why for stem, why in inventory.faults.items() if _steps_of(stem) > inventory.steps}
        if newer:
            context.warn("walked_back", *walked_back(newer, f"{inventory.latest.stem}.zip"))
    _end_other_runs(context, snapshot, run)
    if not run.started:
        _record_start(context, request, snapshot, run, inventory.steps)
    return Opened(run=replace(run, started=True), inventory=inventory)


def _starts_anyway(snapshot: Snapshot, request: RunRequest) -> bool:
    """Whether the run would start without `--fresh` too: a training that is finished would not."""
    plain = when_idle(snapshot, replace(request, fresh=False))
    return not (isinstance(plain, Finish) and plain.end in GOOD_ENDS)


def start_session(
    context: RunContext, request: RunRequest, snapshot: Snapshot, start: Start, push: Push
) -> tuple[Push, Handle]:
    """Submit a prepared session under the first number that is free on the backend."""
    _announce(context, start)
    for session in range(start.place.session, start.place.session + _NAMES_TRIED):
        if session != push.ticket.session:
            place = replace(start.place, session=session)
            push = wait_and_prepare(context, request, snapshot, start, place)
        try:
            return push, submit_session(context, push, request.campaign)
        except NameTaken as taken:
            if _adopted_instead(context, push):
                raise NotYet(
                    f"{push.slug} exists already, and is adopted",
                    remedy="Run the same command again: it goes on with it.",
                ) from taken
            context.warn("name_taken", f"{taken}; taking the next number")
    raise RunFailed(
        f"{_NAMES_TRIED} session names in a row are taken",
        remedy="Delete old kernels of this lineage on the service's page.",
    )


def _archive(context: RunContext, before: CheckpointInventory, mode: StartMode) -> CheckpointInventory:
    """Move what a fresh start does not use to the archive; says where it is, and which files were the user's own."""
    fresh = mode is StartMode.ARCHIVE_FRESH
    token = context.clock.now().strftime("%Y%m%dT%H%M%S-") + context.draw_token()[:6]
    archive = (context.models.archive if fresh else context.models.archive_leftovers)(token)
    why = "Fresh start: earlier checkpoints" if fresh else "No checkpoints: a fresh start; leftovers"
    context.warn("archived", f"{TAG} {why} are kept in {archive}")
    after = context.models.view()
    context.warn("own_files_archived", *archived_too([name for name in before.own if name not in after.own]))
    return after


def _steps_of(stem: str) -> int:
    return int(stem.rsplit("_", 2)[1])


def end_in_ledger(context: RunContext, run: OpenRun, end: str) -> str:
    """The end of a run for the ledger: `interrupted` if its campaign stopped it because its line was removed.

    The training has not failed, so it continues as soon as the line is back.
    """
    sessions = [one for one in context.ledger.sessions(run.summary.lineage_id) if one.run_id == run.run_id]
    asked_by = sessions[-1].stop_asked_by if sessions else None
    return INTERRUPTED if asked_by == AskedBy.CAMPAIGN and end in _HALTS else end


def _end_other_runs(context: RunContext, snapshot: Snapshot, run: OpenRun) -> None:
    """End every open run of this lineage but the one that goes on; the directory's lock says that none lives.

    A run on another backend stays open while its session may be in flight: `attach` goes on with it.
    """
    in_flight = {one.run_id for one in snapshot.sessions if one.stage is not Stage.CLOSED}
    for record in snapshot.runs:
        kept = record.backend != snapshot.backend and record.run_id in in_flight
        if not kept and record.ended_at is None and record.run_id != run.run_id:
            context.record(
                EventKind.RUN_ENDED, record.run_id, end_reason=INTERRUPTED, verdict=None, steps_done=record.steps_done
            )


def _record_start(context: RunContext, request: RunRequest, snapshot: Snapshot, run: OpenRun, steps_done: int) -> None:
    if snapshot.bundle is None:
        raise ValueError("no session can follow")
    record_run(context, request, run.run_id, run.steps_start, steps_done, run.target_steps, snapshot.bundle.digest)


def record_run(
    context: RunContext,
    request: RunRequest,
    run_id: str,
    steps_start: int,
    steps_done: int,
    target_steps: int | None,
    code_digest: str,
) -> None:
    """Write the beginning of a run into the ledger."""
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
        code_digest=code_digest,
        question=question_of(request.card.criteria_values, profile.evaluation_scenarios),
    )


def _announce(context: RunContext, start: Start) -> None:
    """Report where a session starts, and how exact its resume will be."""
    place, inventory = start.place, start.inventory
    start_text = f"from {inventory.steps} steps" if inventory.latest else "from the beginning"
    attempt = f", attempt {place.attempt}" if place.attempt > 1 else ""
    target = start.run.target_steps
    to = "until the section ends it" if target is None else f"to {target} steps"
    context.info("session_starts", f"Session {place.session}{attempt}: {start_text} {to}")
    if start.comparison is not None:
        reasons = [f"  - {reason} ({reason.grade.word})" for reason in start.comparison.reasons]
        left = ", ".join(start.comparison.left_to_kernel)
        grade = start.comparison.grade.word
        context.info("resume_grade", f"Resume grade: {grade}; the session compares {left} as well", *reasons)


def _adopted_instead(context: RunContext, push: Push) -> bool:
    """Whether the session that has the name is one of this very lineage that the ledger lacked.

    `run` adopts nothing but what this ledger itself had pushed and given up as lost.
    """
    if context.waits and context.backend.capabilities.remembers:
        return False  # what such a backend has and was never fetched was adopted before; the rest is done with
    found = context.backend.read(push.slug)
    return (
        found is not None
        # Else it is a copy that a person made.
        and (found.ticket.session, found.ticket.attempt) == (push.ticket.session, push.ticket.attempt)
        and found.ticket.lineage_id == push.ticket.lineage_id
        and (not context.waits or pushed_from_here(context, found.ticket))
        and adopt(context, found, recovered=True)
    )
