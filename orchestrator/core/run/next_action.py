"""What a command does next, decided from one snapshot: pure, so that every case is a row of a table in the tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from orchestrator.core.checkpoint.compatibility import Compatibility, Grade, compare_checkpoint
from orchestrator.core.checkpoint.inventory import CheckpointInventory
from orchestrator.core.checkpoint.log_messages import incompatibility
from orchestrator.core.checkpoint.start import StartMode, decide_start
from orchestrator.core.checkpoint.walk_back import view_after
from orchestrator.core.errors import BadInput
from orchestrator.core.ledger.records import RunRecord, SessionRecord, Stage
from orchestrator.core.run.actions import Action, Adopt, Collect, Finish, Missing, Refuse, Start, Wait
from orchestrator.core.run.open_run import OpenRun
from orchestrator.core.run.opening import open_run
from orchestrator.core.run.progress import Decision, next_step
from orchestrator.core.run.request import RunRequest
from orchestrator.core.run.snapshot import Snapshot, loss, may_be_elsewhere
from orchestrator.core.run.summary import DETACHED, GOOD_ENDS, ITS_TURN
from orchestrator.core.run.weights_only import require_weights_used
from orchestrator.core.session.end_reason import EndReason
from orchestrator.core.session.settling import checkpoint_paths
from orchestrator.core.session.slug import Place, place_of_slug
from orchestrator.kernel.wire import Ticket


def next_action(snapshot: Snapshot, request: RunRequest) -> Action:
    """The next action of a command."""
    if request.detach and (left := _left_in_flight(snapshot, request)) is not None:
        return left
    if not request.fresh and may_be_elsewhere(snapshot, request):
        return Adopt(what=Missing.CHECKPOINTS)
    if snapshot.waits and snapshot.remembers and not snapshot.done.asked:
        return Adopt(what=Missing.SESSIONS)
    if snapshot.open_sessions:
        return _for_open_session(snapshot, request, snapshot.open_sessions[0])
    return when_idle(snapshot, request)


def when_idle(snapshot: Snapshot, request: RunRequest, *, despite_end: bool = False) -> Action:
    """What follows while no session is open.

    Args:
        despite_end: Decide the next session even if the run is at its end: for `render` and `--dry-run`.
    """
    opening = snapshot.done.run is None
    if opening and not request.fresh and (refusal := loss(snapshot, request)) is not None:
        return refusal
    try:
        mode = decide_start(snapshot.inventory, fresh=request.fresh) if opening else StartMode.CONTINUE
        inventory = _after_archive(snapshot.inventory, mode)
        run = snapshot.done.run or open_run(snapshot, request, inventory)
    except BadInput as fault:
        return Refuse(fault=fault)
    went_back = not opening and inventory.steps < run.progress.steps_done  # while this command waited for the quota
    step = next_step(replace(run.progress, emptied=run.progress.emptied or went_back))
    comparison: Compatibility | None = None
    if opening and snapshot.waits:  # all that can be refused is refused before anything is changed
        compared = _compared(snapshot, request, view_after(snapshot.walk_back, inventory), run)
        if isinstance(compared, Refuse):
            return compared
        comparison = compared
    if not despite_end:
        if step.start_session and request.starts and (other := snapshot.elsewhere) is not None:
            return _never_two(snapshot, other)
        if step.end in GOOD_ENDS or not request.starts:
            return Finish(run=run, end=step.end or ITS_TURN, mode=mode)
        starts_over = opening and request.fresh  # late outputs belong to the training that is left
        if not starts_over and (late := _unsettled(snapshot, run)) is not None:
            return Collect(record=late, run=run, mode=mode)
        if not step.start_session:
            return Finish(run=run, end=step.end, mode=mode)
    return _start(snapshot, request, run, mode, inventory, comparison, step)


def _never_two(snapshot: Snapshot, other: SessionRecord) -> Wait | Refuse:
    """A training never has two sessions at once, on whichever backends."""
    why = f"{other.slug} of this training is in flight on {other.backend}"
    if not snapshot.waits:
        return Wait(record=other, why=why)
    remedy = f"`attach` carries it to its end, and `cancel` asks it to stop; --backend {other.backend} goes on with it."
    return Refuse(fault=BadInput(why, remedy=remedy))


def _start(
    snapshot: Snapshot,
    request: RunRequest,
    run: OpenRun,
    mode: StartMode,
    inventory: CheckpointInventory,
    comparison: Compatibility | None,
    step: Decision,
) -> Action:
    due = snapshot.walk_back if mode is StartMode.CONTINUE else None
    place = _next_place(snapshot, request, inventory, run, step)
    start = Start(run=run, place=place, mode=mode, inventory=inventory, comparison=comparison, walk_back=due)
    if due is not None and due.parent is not None:
        return replace(start, inventory=view_after(due, inventory))
    if due is not None and due.why.proven:
        return Finish(run=run, end=EndReason.CHECKPOINT_UNUSABLE.value, problems=(due.account,))
    if comparison is None:  # before every session, not only the first: the code may have been edited since
        compared = _compared(snapshot, request, inventory, run)
        if isinstance(compared, Refuse):
            return compared
        start = replace(start, comparison=compared)
    if not snapshot.waits and not snapshot.done.asked:
        return Adopt(what=Missing.SESSIONS)
    return replace(start, walk_back=None)


def _left_in_flight(snapshot: Snapshot, request: RunRequest) -> Finish | Refuse | None:
    """A command that does not stay leaves the session that is in flight already."""
    for record in snapshot.open_sessions:
        if record.stage is not Stage.SUBMITTED:
            continue
        if request.fresh and not run_of(snapshot.runs, record).fresh:
            return Refuse(
                fault=BadInput(
                    f"{record.slug} is in flight; --fresh --detach would leave it as it is",
                    remedy="Give --fresh without --detach: it asks the session to end and starts over from step 0.",
                )
            )
        return Finish(end=DETACHED, in_flight=record)
    return None


def run_of(runs: Sequence[RunRecord], record: SessionRecord) -> RunRecord:
    """The run of a session."""
    return next(run for run in runs if run.run_id == record.run_id)


def _for_open_session(snapshot: Snapshot, request: RunRequest, record: SessionRecord) -> Action:
    """A session is never started beside another one: the open one is carried to its end first."""
    starts_over, sight = request.fresh and snapshot.done.run is None, snapshot.sight
    ended = sight is not None and sight.end is not None  # what has ended is collected in any case
    if starts_over:
        plan = when_idle(snapshot, request)
        if isinstance(plan, Refuse):
            return plan
    elif snapshot.waits and snapshot.done.run is None and snapshot.adopted is None and not ended:
        try:
            request.sizes(snapshot.inventory.steps)
        except BadInput as fault:
            return Refuse(fault=fault)
    if sight is not None and sight.lost:
        return Collect(record=record, lost=True)
    if sight is not None and starts_over and sight.handle is not None:
        return Collect(record=record, keep=False)
    if sight is None or sight.end is None:
        return Wait(record=record, why=sight.state if sight else "")
    return Collect(record=record, end=sight.end)


def _after_archive(inventory: CheckpointInventory, mode: StartMode) -> CheckpointInventory:
    """What a session starts from once leftovers are archived."""
    if mode is StartMode.CONTINUE:
        return inventory
    return replace(inventory, verified=(), entries=(), faults={}, leftovers=())


def _compared(
    snapshot: Snapshot, request: RunRequest, inventory: CheckpointInventory, run: OpenRun
) -> Compatibility | Refuse | None:
    """Whether the newest checkpoint may be continued; None at a beginning."""
    latest, comparison = inventory.latest, None
    if latest is not None:
        if snapshot.intended is None:
            raise ValueError("no session can follow")
        learning = request.card.hyper_parameters
        horizon_steps = run.target_steps if learning is not None and learning.follows_target else None
        comparison = compare_checkpoint(latest, replace(snapshot.intended, horizon_steps=horizon_steps))
        # The user chose an adopted model; the floor is about resumes from the lineage's own checkpoints.
        floor = Grade.WEIGHTS_ONLY if latest.is_adopted_model else request.floor
        if blocking := comparison.below(floor):
            weights = comparison.grade is Grade.WEIGHTS_ONLY and request.floor < Grade.EXACT
            fault = BadInput(
                f"the checkpoint of {latest.steps} steps cannot be continued: {'; '.join(map(str, blocking))}",
                remedy="Undo the change in the card, or use --fresh: it archives the checkpoints and starts over."
                + (_WEIGHTS_REMEDY if weights else ""),
            )
            return Refuse(fault=fault, lines=tuple(incompatibility(blocking)))
    if snapshot.waits and snapshot.done.run is None:
        try:
            require_weights_used(request, inventory, comparison, run.target_steps)
        except BadInput as fault:
            return Refuse(fault=fault)
    return comparison


_WEIGHTS_REMEDY = " --accept-grade weights-only starts a new training from its weights alone."


_WITHOUT_ACCOUNT = frozenset(
    {EndReason.CRASHED, EndReason.WALL_LIMIT, EndReason.CANCELLED, EndReason.STALE_RESULTS},
)


def is_unsettled(record: SessionRecord) -> bool:
    """Whether a closed session left no manifest of its own, or steps whose checkpoint is not in place."""
    if record.stage is not Stage.CLOSED or record.handle is None or record.never_submitted or record.gone:
        return False
    no_account = record.end_reason in _WITHOUT_ACCOUNT and record.started_at is None
    # Without a problem, its checkpoints are here: others were put in place while it ran, and stay.
    behind = bool(record.problems) and (record.steps_done or 0) > (record.models_steps or record.steps_done or 0)
    return no_account or behind or bool(checkpoint_paths(Ticket.from_json(record.ticket), record.lacking))


def _unsettled(snapshot: Snapshot, run: OpenRun) -> SessionRecord | None:
    """The latest session, if another look at its outputs may change how it ended."""
    if not snapshot.late_outputs:
        return None
    for record in reversed(snapshot.sessions):
        if record.handle is not None and record.backend == snapshot.backend and not record.never_submitted:
            looked = record.key in snapshot.done.looked_at or not is_unsettled(record)
            return None if looked or _left_behind(snapshot, record, run) else record
    return None


def _left_behind(snapshot: Snapshot, record: SessionRecord, run: OpenRun) -> bool:
    """Whether the user has started over since: by `--fresh`, or by emptying the models directory."""
    if snapshot.inventory.steps < (record.models_steps or 0):
        return True
    fresh = [one for one in snapshot.runs if one.fresh]
    return record.run_id != run.run_id and any(one.started_at > record.planned_at for one in fresh)


def _next_place(
    snapshot: Snapshot, request: RunRequest, inventory: CheckpointInventory, run: OpenRun, step: Decision
) -> Place:
    if run.last is not None and step.same_session:
        return replace(run.last, attempt=run.last.attempt + 1)
    return Place(run_id=run.run_id, session=_next_session(snapshot, request.card.lineage.id, inventory), attempt=1)


def _next_session(snapshot: Snapshot, lineage_id: str, inventory: CheckpointInventory) -> int:
    """A number that no session of this lineage has had, so that no result is ever overwritten."""
    used = [one.session for one in snapshot.sessions if not one.never_submitted]
    places = (place_of_slug(slug, lineage_id) for slug in snapshot.result_slugs)
    used += [place[0] for place in places if place is not None]
    used += [int(card.stamp["session"]) for card in inventory.verified]
    return max(used, default=0) + 1
