"""What a command does next, decided from one snapshot: pure, so that every case is a row of a table in the tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from orchestrator.core.checkpoint.compatibility import Compatibility, Grade, compare
from orchestrator.core.checkpoint.inventory import CheckpointInventory
from orchestrator.core.checkpoint.log_messages import incompatibility
from orchestrator.core.checkpoint.missing import current_chain, expected_steps, is_missing, missing_fault, walked_to
from orchestrator.core.checkpoint.start import StartMode, decide_start
from orchestrator.core.checkpoint.walk_back import WalkBack, view_after
from orchestrator.core.errors import BadInput, CheckpointsMissing
from orchestrator.core.ledger.records import RunRecord, SessionRecord, Stage
from orchestrator.core.run.open_run import OpenRun
from orchestrator.core.run.opening import open_run
from orchestrator.core.run.progress import Decision, next_step
from orchestrator.core.run.request import RunRequest
from orchestrator.core.run.snapshot import Snapshot
from orchestrator.core.run.summary import DETACHED, GOOD_ENDS, ITS_TURN
from orchestrator.core.run.weights_only import require_weights_used
from orchestrator.core.session.backend_types import Observation
from orchestrator.core.session.end_reason import EndReason
from orchestrator.core.session.settling import checkpoint_paths
from orchestrator.core.session.slug import Place, place_of_slug
from orchestrator.kernel.wire import Ticket


class Missing(Enum):
    """What may exist elsewhere and not here."""

    CHECKPOINTS = "checkpoints"
    """Checkpoints that the ledger knows: in the results, or on the backend."""
    SESSIONS = "sessions"
    """Sessions on the backend that the ledger lacks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopt:
    """Search for what is missing here, and take it over."""

    what: Missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """A session goes on, or has not shown up yet."""

    record: SessionRecord
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Collect:
    """Fetch, judge and restore a session, and close it.

    Attributes:
        end: How it ended, None where that is to be asked.
        lost: Whether it never came into being: it is closed without outputs.
        keep: Whether its checkpoints are put in place; False when the user starts over.
        run: The run for which a closed session is looked at once more, None for an open session.
        mode: What is done with the models directory before that run goes on.
    """

    record: SessionRecord
    end: Observation | None = None
    lost: bool = False
    keep: bool = True
    run: OpenRun | None = None
    mode: StartMode = StartMode.CONTINUE


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Start a session.

    Attributes:
        mode: What is done with the models directory first.
        comparison: Of the checkpoint with the training that continues it, None at a beginning.
        walk_back: The step back that comes first; the session is decided anew after it.
    """

    run: OpenRun
    place: Place
    mode: StartMode
    inventory: CheckpointInventory
    comparison: Compatibility | None = None
    walk_back: WalkBack | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """Leave, with this end of the run.

    Attributes:
        run: None where a session of another command stays in flight.
        in_flight: That session.
    """

    end: str
    run: OpenRun | None = None
    mode: StartMode = StartMode.CONTINUE
    problems: tuple[str, ...] = ()
    in_flight: SessionRecord | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Change nothing; say why.

    Attributes:
        lines: The reasons in the users' own log lines.
    """

    fault: BadInput
    lines: tuple[str, ...] = ()


Action = Adopt | Wait | Collect | Start | Finish | Refuse


def next_action(snapshot: Snapshot, request: RunRequest) -> Action:
    """The next action of a command."""
    if request.detach and (left := _left_in_flight(snapshot, request)) is not None:
        return left
    if not request.fresh and _may_be_elsewhere(snapshot, request):
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
    if opening and not request.fresh and (refusal := _loss(snapshot, request)) is not None:
        return refusal
    try:
        mode = decide_start(snapshot.inventory, fresh=request.fresh) if opening else StartMode.CONTINUE
        inventory = _after_archive(snapshot.inventory, mode)
        run = snapshot.done.run or open_run(snapshot, request, inventory)
    except BadInput as fault:
        return Refuse(fault=fault)
    step = next_step(run.progress)
    comparison: Compatibility | None = None
    if opening and snapshot.waits:  # all that can be refused is refused before anything is changed
        compared = _compared(snapshot, request, view_after(snapshot.walk_back, inventory), run)
        if isinstance(compared, Refuse):
            return compared
        comparison = compared
    if not despite_end:
        if step.end in GOOD_ENDS or not request.starts:
            return Finish(run=run, end=step.end or ITS_TURN, mode=mode)
        if (late := _unsettled(snapshot, run)) is not None:
            return Collect(record=late, run=run, mode=mode)
        if not step.start_session:
            return Finish(run=run, end=step.end, mode=mode)
    return _start(snapshot, request, run, mode, inventory, comparison, step)


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
        return start
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
        if record.stage is not Stage.SUBMITTED or record.key in snapshot.done.started:
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
    starts_over = request.fresh and snapshot.done.run is None
    if starts_over:
        plan = when_idle(snapshot, request)
        if isinstance(plan, Refuse):
            return plan
    elif snapshot.waits and snapshot.done.run is None:
        try:
            request.sizes(snapshot.inventory.steps)
        except BadInput as fault:
            return Refuse(fault=fault)
    sight = snapshot.sight
    if sight is not None and sight.lost:
        return Collect(record=record, lost=True)
    if sight is not None and starts_over and sight.handle is not None:
        return Collect(record=record, keep=False)
    if sight is None or sight.end is None:
        return Wait(record=record, why=sight.state if sight else "")
    return Collect(record=record, end=sight.end)


def _may_be_elsewhere(snapshot: Snapshot, request: RunRequest) -> bool:
    """Whether checkpoints that should be in place are not, and were not searched for."""
    if snapshot.done.searched or snapshot.done.run is not None:
        return False
    if missing_steps(snapshot) is not None:
        return True
    # The ledger itself may be older than the results beside it, or be absent. `run` trusts what is in place.
    return request.starts and not snapshot.waits and _has_newer_results(snapshot, request.card.lineage.id)


def missing_steps(snapshot: Snapshot) -> int | None:
    """Steps that the ledger knows and that are not in place, None where nothing is missing."""
    chain = current_chain(snapshot.runs, snapshot.sessions)
    expected = expected_steps(chain, walked_to(snapshot.runs, chain))
    return expected if is_missing(snapshot.inventory, expected, stays=snapshot.waits) else None


def _missing_fault(snapshot: Snapshot, request: RunRequest, steps: int) -> CheckpointsMissing:
    return missing_fault(snapshot.inventory, section=request.card.section, backend=snapshot.backend, steps=steps)


def _has_newer_results(snapshot: Snapshot, lineage_id: str) -> bool:
    known = [(one.session, one.attempt) for one in snapshot.sessions if not one.never_submitted]
    here = (place_of_slug(slug, lineage_id) for slug in snapshot.result_slugs)
    return max((place for place in here if place), default=(0, 0)) > max(known, default=(0, 0))


def _loss(snapshot: Snapshot, request: RunRequest) -> Action | None:
    """Why steps would be trained again that exist, None where that is not so."""
    if snapshot.inventory.latest is not None:
        return None
    if request.starts and not snapshot.waits and not snapshot.done.asked and snapshot.adopted is None:
        # A later session, which this ledger does not know, may have the checkpoints.
        return Adopt(what=Missing.SESSIONS)
    missing = missing_steps(snapshot)
    faults = [
        _missing_fault(snapshot, request, missing) if missing is not None else None,
        snapshot.lost,
    ]
    if snapshot.adopted is not None:
        faults.reverse()  # what the collected session itself lacks is the nearer reason
    fault = next(filter(None, faults), None)
    return Refuse(fault=fault) if fault is not None else None


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
        comparison = compare(latest.identity, snapshot.intended, has_state=latest.has_state)
        if blocking := comparison.below(request.floor):
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
    """Whether a closed session left no manifest of its own, or a checkpoint that could not be fetched."""
    if record.stage is not Stage.CLOSED or record.handle is None or record.never_submitted or record.gone:
        return False
    no_account = record.end_reason in _WITHOUT_ACCOUNT and record.started_at is None
    return no_account or bool(checkpoint_paths(Ticket.from_json(record.ticket), record.lacking))


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
