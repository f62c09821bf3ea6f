"""A session that the backend calls alive although its time is over: its outputs say whether it has ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from orchestrator.core.errors import OrchestratorError, RemoteUnavailable
from orchestrator.core.ledger.records import SessionRecord
from orchestrator.core.session.backend_types import Handle, Observation, SessionState
from orchestrator.core.session.end_reason import EndReason
from orchestrator.core.session.settling import is_own
from orchestrator.kernel.wire import Ticket
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.session.collect import Collected, collect_once
from orchestrator.pipeline.session.watch import PATIENCE_S

_EVERY_S = 600.0
_SLACK, _OUTSIDE_S = 1.5, 300.0
"""A session may take longer than its own deadline by so much: it is the backend's limit that ends it then."""

_MAY_BE_OVER = frozenset({SessionState.RUNNING, SessionState.SAVING, SessionState.UNKNOWN})


def is_overdue(context: RunContext, record: SessionRecord) -> bool:
    """Whether a session must have ended by now, whatever the backend says."""
    wall_s = _wall_s(context, record)
    return wall_s is not None and _age_s(context, record) > wall_s + PATIENCE_S


@dataclass(slots=True)
class Overdue:
    """Looks at the outputs of one session, once its time is over and not too often."""

    context: RunContext
    record: SessionRecord
    handle: Handle
    _looked_s: float | None = field(default=None)

    def end_of(self, observation: Observation) -> Observation | None:
        """The end that its outputs prove, None where they prove none or its time is not over.

        Raises:
            RemoteUnavailable: It has been alive for longer than any session lasts, and has left nothing.
        """
        if observation.state not in _MAY_BE_OVER or not is_overdue(self.context, self.record):
            return None
        now_s = self.context.clock.monotonic()
        if self._looked_s is not None and now_s - self._looked_s < _EVERY_S:
            return None
        self._looked_s = now_s
        ended = Observation(state=SessionState.ENDED, native=f"{observation.native}, past its time")
        found = self._look(ended)
        ticket = Ticket.from_json(self.record.ticket)
        if found is not None and found.manifest is not None and is_own(ticket, found.manifest):
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

    def _look(self, ended: Observation) -> Collected | None:
        try:
            return collect_once(self.context, Ticket.from_json(self.record.ticket), self.handle, ended)
        except RemoteUnavailable:
            return None  # the next look may tell; the session is still said to be alive
        except OrchestratorError as fault:
            if not fault.transient:
                raise
            return None


def _wall_s(context: RunContext, record: SessionRecord) -> float | None:
    """Longest time that a session can take, None where nothing limits it."""
    max_wall_s = context.backend.capabilities.max_wall_s
    deadline_s = record.ticket["spec"].get("deadline_s")
    if max_wall_s is None or deadline_s is None:
        return max_wall_s
    return min(max_wall_s, float(deadline_s) * _SLACK + _OUTSIDE_S)


def _age_s(context: RunContext, record: SessionRecord) -> float:
    return (context.clock.now() - record.began_at) / timedelta(seconds=1)
