"""When a session has ended, by looks that may fail, lag or be wrong. What must outlast a command is in the ledger."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from orchestrator.core.errors import NotYet, OrchestratorError, RemoteUnavailable
from orchestrator.core.ledger.events import EventKind
from orchestrator.core.ledger.records import GONE, SessionRecord, Stage
from orchestrator.core.session.backend_types import Handle, Observation, SessionState
from orchestrator.core.session.end_reason import EndReason
from orchestrator.core.session.settling import is_own
from orchestrator.kernel.wire import Ticket
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.session.outputs import Collected, collect_once
from orchestrator.pipeline.session.watch import PATIENCE_S

_EVERY_S = 600.0
_SLACK, _OUTSIDE_S = 1.5, 300.0
"""A session may take longer than its own deadline by so much: the backend's limit ends it then."""

_MAY_BE_OVER = frozenset(SessionState) - {SessionState.ENDED, SessionState.ABSENT}


def look(context: RunContext, record: SessionRecord) -> Observation:
    """Look once; the end of a submitted session.

    Raises:
        NotYet: It goes on. A failed or an empty look is no end.
        RemoteUnavailable: It cannot be asked, or its state makes no sense for longer than any session lasts.
    """
    handle = Handle.parse(str(record.handle))
    check = EndCheck(context, record, handle)
    try:
        observation = context.backend.observe(handle)
    except RemoteUnavailable as fault:
        if (end := check.end_unseen(fault)) is None:
            raise
    else:
        end = check.end_of(observation)
        if end is None:
            raise NotYet(f"{record.slug} is {_in_words(observation)}")
    return gone_if_name_reused(context, record, end)


def never_began(context: RunContext, record: SessionRecord) -> bool:
    """Whether an ended session never began, so that it can be started again under its name."""
    return record.stage is Stage.SUBMITTED and context.backend.never_began(Handle.parse(str(record.handle)))


def is_overdue(context: RunContext, record: SessionRecord) -> bool:
    """Whether a session must have ended by now, whatever the backend says."""
    wall_s = _wall_s(context, record)
    return wall_s is not None and _age_s(context, record) > wall_s + PATIENCE_S


@dataclass(slots=True)
class EndCheck:
    """Decides for one session, look by look, whether it has ended."""

    context: RunContext
    record: SessionRecord
    handle: Handle
    _looked_s: float | None = field(default=None)

    def end_of(self, observation: Observation) -> Observation | None:
        """The end that a look shows, None where the session goes on or may still show up.

        Raises:
            RemoteUnavailable: It has been alive for longer than any session lasts, and has left nothing.
        """
        if observation.state is SessionState.ABSENT:
            return self._end_of_absent(observation)
        if self.record.missed_at is not None:
            self.context.record(EventKind.SESSION_SEEN, self.record.run_id, self.record.key)
            self._read_again()
        if observation.state.terminal:
            return observation
        return self._end_of_overdue(observation)

    def end_unseen(self, fault: OrchestratorError) -> Observation | None:
        """The end that its outputs prove while the state cannot be had; None if they prove none.

        Args:
            fault: Why the state cannot be had.
        """
        try:
            return self._end_of_overdue(Observation(state=SessionState.UNKNOWN, native=f"not known ({fault})"))
        except RemoteUnavailable:
            return None  # the first fault is the one to report

    def _end_of_absent(self, observation: Observation) -> Observation | None:
        missed_s = missed_for_s(self.context, self.record)
        self._read_again()
        if missed_s <= self.context.backend.capabilities.absent_patience_s or self._may_live():
            return None
        ended = Observation(state=SessionState.ENDED, native=f"{observation.native}, past its time")
        ticket = Ticket.from_json(self.record.ticket)
        found = self._outputs(ended) if self.context.backend.capabilities.late_outputs else None
        if found is not None and (
            self._proves_end(found) or self.context.results.incoming(found.folder, ticket).verified
        ):
            return ended
        return _gone(observation.native)

    def _proves_end(self, found: Collected) -> bool:
        return found.manifest is not None and is_own(Ticket.from_json(self.record.ticket), found.manifest)

    def _may_live(self) -> bool:
        """Whether an absent session may be at work all the same: its kernel exists, and its time is not over.

        Two looks may lie hours apart, and both may have met a moment's trouble. `find` is another question, and has
        the last word as long as the session can live.
        """
        max_wall_s = self.context.backend.capabilities.max_wall_s
        if max_wall_s is None or _age_s(self.context, self.record) > max_wall_s + PATIENCE_S:
            return False
        return self.context.backend.find(Ticket.from_json(self.record.ticket), self.record.kernel_slug) is not None

    def _end_of_overdue(self, observation: Observation) -> Observation | None:
        """The end that its outputs prove, for a session that is called alive although its time is over."""
        if observation.state not in _MAY_BE_OVER or not is_overdue(self.context, self.record):
            return None
        now_s = self.context.clock.monotonic()
        if self._looked_s is not None and now_s - self._looked_s < _EVERY_S:
            return None
        self._looked_s = now_s
        ended = Observation(state=SessionState.ENDED, native=f"{observation.native}, past its time")
        found = self._outputs(ended)
        ticket = Ticket.from_json(self.record.ticket)
        if found is not None and self._proves_end(found):
            self.context.info(
                "outputs_complete", f"{self.record.slug} is {observation.native}, but its outputs are complete"
            )
            return ended
        if _age_s(self.context, self.record) <= 2 * (self.context.backend.capabilities.max_wall_s or 0.0) + PATIENCE_S:
            return None
        if found is not None and self.context.results.incoming(found.folder, ticket).verified:
            return Observation(state=SessionState.ENDED, native=ended.native, reason=EndReason.WALL_LIMIT)
        raise RemoteUnavailable(
            f"{self.handle} is {observation.native!r} for longer than any session lasts, and has no outputs",
            remedy="Stop or delete it on the service's own page: the same command then goes on from the checkpoints "
            "in place. `fetch` collects what it may still leave.",
        )

    def _outputs(self, ended: Observation) -> Collected | None:
        try:
            return collect_once(self.context, Ticket.from_json(self.record.ticket), self.handle, ended)
        except RemoteUnavailable:
            return None  # the session is still called alive; the next look asks again
        except OrchestratorError as fault:
            if not fault.transient:
                raise
            return None

    def _read_again(self) -> None:
        self.record = self.context.ledger.session(self.record.key) or self.record


def missed_for_s(context: RunContext, record: SessionRecord) -> float:
    """Seconds since a session was first looked for in vain; records that it was."""
    now = context.clock.now()
    missed_at = datetime.fromisoformat(record.missed_at) if record.missed_at is not None else None
    if missed_at is None or missed_at > now:  # the clock was set back: what has passed since is not known
        context.record(EventKind.SESSION_MISSED, record.run_id, record.key, since=now.isoformat())
        return 0.0
    return (now - missed_at).total_seconds()


def gone_if_name_reused(context: RunContext, record: SessionRecord, end: Observation) -> Observation:
    """The same end, unless the name holds another session by now: a name that was deleted is free again.

    What that one wrote would count as stale results of this one, and end the training. It is asked once, of a session
    that has ended.
    """
    if end.gone:
        return end
    try:
        found = context.backend.read_all(record.kernel_slug)
    except RemoteUnavailable:
        return end  # the outputs bear the nonce of their session, so they can be fetched without this answer
    if not found or any(one.ticket.nonce == record.nonce for one in found):
        return end
    return _gone("its name holds another session")


def _gone(why: str) -> Observation:
    return Observation(state=SessionState.ENDED, native=f"{GONE}{why}", gone=True)


def _in_words(observation: Observation) -> str:
    return f"not visible ({observation.native})" if observation.state is SessionState.ABSENT else observation.native


def _wall_s(context: RunContext, record: SessionRecord) -> float | None:
    """Longest time that a session can take, None where nothing limits it."""
    max_wall_s = context.backend.capabilities.max_wall_s
    deadline_s = record.ticket["spec"].get("deadline_s")
    if max_wall_s is None or deadline_s is None:
        return max_wall_s
    return min(max_wall_s, float(deadline_s) * _SLACK + _OUTSIDE_S)


def _age_s(context: RunContext, record: SessionRecord) -> float:
    return (context.clock.now() - record.began_at) / timedelta(seconds=1)
