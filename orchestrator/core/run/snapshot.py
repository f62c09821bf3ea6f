"""Everything that the next action of a run is decided from, read once under the lock of the models directory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from orchestrator.core.checkpoint.compatibility import Intended
from orchestrator.core.checkpoint.inventory import CheckpointInventory
from orchestrator.core.checkpoint.missing import current_chain, expected_steps, is_missing, missing_fault, walked_to
from orchestrator.core.checkpoint.walk_back import WalkBack
from orchestrator.core.errors import BadInput, CheckpointsMissing
from orchestrator.core.ledger.records import RunRecord, SessionRecord, Stage
from orchestrator.core.run.actions import Action, Adopt, Missing, Refuse
from orchestrator.core.run.open_run import ClosedSession, OpenRun
from orchestrator.core.run.request import RunRequest
from orchestrator.core.session.backend_types import Bundle, Handle, Observation
from orchestrator.core.session.slug import place_of_slug


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What the backend says of an open session.

    Attributes:
        handle: None while its submission is not confirmed.
        end: How it ended, None while it goes on.
        lost: Whether its submission is known to have failed.
        state: Why it has not ended, in words.
    """

    handle: Handle | None = None
    end: Observation | None = None
    lost: bool = False
    state: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandState:
    """What a command has done so far, and need not do again.

    Attributes:
        run: The run that it carries on, None until it is opened.
        adopted: The session of an earlier command that this one closed before it opened its run.
        started: Keys of sessions that this command started.
        looked_at: Keys of closed sessions whose outputs it has looked at once more.
        searched: Whether it has searched for missing checkpoints.
        asked: Whether it has asked the backend for sessions that the ledger lacks.
        released: Whether it has asked a session in flight to end, to start over.
    """

    run: OpenRun | None = None
    adopted: ClosedSession | None = None
    started: frozenset[str] = frozenset()
    looked_at: frozenset[str] = frozenset()
    searched: bool = False
    asked: bool = False
    released: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One lineage at one moment.

    Attributes:
        backend: Name of the backend at hand.
        waits: Whether the command waits for what takes time.
        remembers: Whether the backend knows sessions without the ledger.
        late_outputs: Whether outputs of an ended session may still arrive.
        runs: All of the lineage, oldest first.
        sessions: All of the lineage, oldest first.
        inventory: What is in place.
        sight: Of the first open session; None where none is open, or it was not looked at yet.
        result_slugs: Sessions with a results folder here.
        new_run_id: Id of a run that would begin now.
        bundle: The code, None where no session can follow.
        intended: What the next session would be, None where no session can follow.
        evaluation: The session whose result (a verdict, or no claim) is about exactly what is in place, by the code
            and criteria of now.
        walk_back: The step back that the next session needs.
        lost: Why it is no fresh start although nothing is in place: recovered sessions had steps.
        done: What this command has done.
    """

    backend: str
    waits: bool
    inventory: CheckpointInventory
    runs: Sequence[RunRecord] = ()
    sessions: Sequence[SessionRecord] = ()
    remembers: bool = False
    late_outputs: bool = False
    sight: Sight | None = None
    result_slugs: Sequence[str] = ()
    new_run_id: str = ""
    bundle: Bundle | None = None
    intended: Intended | None = None
    evaluation: SessionRecord | None = None
    walk_back: WalkBack | None = None
    lost: BadInput | None = None
    done: CommandState = field(default_factory=CommandState)

    @property
    def open_sessions(self) -> tuple[SessionRecord, ...]:
        """Sessions on this backend that are not closed, oldest first."""
        return open_sessions(self.sessions, self.backend)

    @property
    def elsewhere(self) -> SessionRecord | None:
        """A session of this training on another backend that is not closed; None if there is none."""
        return next(
            (one for one in self.sessions if one.stage is not Stage.CLOSED and one.backend != self.backend), None
        )

    @property
    def adopted(self) -> ClosedSession | None:
        """The session of an earlier command that this one has closed."""
        return self.done.adopted


def open_sessions(sessions: Sequence[SessionRecord], backend: str) -> tuple[SessionRecord, ...]:
    """Those on one backend that are not closed, in their order."""
    return tuple(one for one in sessions if one.stage is not Stage.CLOSED and one.backend == backend)


def may_be_elsewhere(snapshot: Snapshot, request: RunRequest) -> bool:
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


def loss(snapshot: Snapshot, request: RunRequest) -> Action | None:
    """A search or a refusal, if steps that exist would be trained again; None if not."""
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


def _missing_fault(snapshot: Snapshot, request: RunRequest, steps: int) -> CheckpointsMissing:
    return missing_fault(snapshot.inventory, section=request.card.section, backend=snapshot.backend, steps=steps)


def _has_newer_results(snapshot: Snapshot, lineage_id: str) -> bool:
    known = [(one.session, one.attempt) for one in snapshot.sessions if not one.never_submitted]
    here = (place_of_slug(slug, lineage_id) for slug in snapshot.result_slugs)
    return max((place for place in here if place), default=(0, 0)) > max(known, default=(0, 0))
