"""One look at a session, for a command that does not stay. What must be remembered between looks is in the ledger."""

from __future__ import annotations

from datetime import datetime

from orchestrator.core.errors import NotYet, RemoteUnavailable
from orchestrator.core.ledger.events import EventKind
from orchestrator.core.ledger.records import GONE, SessionRecord
from orchestrator.core.session.backend_types import Handle, Observation, SessionState
from orchestrator.kernel.wire import Ticket
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.session.overdue import Overdue
from orchestrator.pipeline.session.watch import PATIENCE_S


def poll_once(context: RunContext, record: SessionRecord, handle: Handle) -> Observation:
    """The end of a session.

    Raises:
        NotYet: It goes on, or nobody can tell yet: a failed or an empty look is no end.
        RemoteUnavailable: It cannot be asked, or its state makes no sense for longer than any session lasts.
    """
    observation = context.backend.observe(handle)
    limits = context.backend.capabilities
    if observation.state is SessionState.ABSENT:
        if _missed_for_s(context, record) > limits.absent_patience_s and not _may_live(context, record):
            return _gone(observation.native)
        raise NotYet(f"{handle.slug} is not visible ({observation.native})")
    if record.missed_at is not None:
        context.record(EventKind.SESSION_SEEN, record.run_id, record.key)
    if (late := Overdue(context, record, handle).end_of(observation)) is not None:
        return late
    if observation.state is SessionState.UNKNOWN:
        age_s = (context.clock.now() - record.began_at).total_seconds()
        if age_s > 2 * (limits.max_wall_s or 0.0) + PATIENCE_S:
            raise RemoteUnavailable(
                f"{handle} is {observation.native!r} for longer than any session lasts",
                remedy="Look at the session on the service's own page; `fetch` collects what it has left.",
            )
    if not observation.state.terminal:
        raise NotYet(f"{handle.slug} is {observation.native}")
    return observation


def _may_live(context: RunContext, record: SessionRecord) -> bool:
    """Whether a session that is not to be seen may be at work all the same: its kernel is there, and so is its time.

    Two looks of a program that does not stay may lie hours apart, and both may have met a moment's trouble. Another
    question than theirs has the last word, as long as the session can live.
    """
    max_wall_s = context.backend.capabilities.max_wall_s
    if max_wall_s is None or (context.clock.now() - record.began_at).total_seconds() > max_wall_s + PATIENCE_S:
        return False
    return context.backend.find(Ticket.from_json(record.ticket), record.slug) is not None


def gone_if_name_reused(context: RunContext, record: SessionRecord, observation: Observation) -> Observation:
    """The same end, unless the name holds another session by now: a name that was deleted over there is free again.

    What that one wrote would be taken for stale results of this one, and the training given up for it. It is asked
    once, of a session that has ended: a look at one that runs costs what it did.
    """
    if observation.gone:
        return observation
    found = context.backend.read(record.slug)
    if found is None or found.ticket.nonce == record.nonce:
        return observation
    return _gone("its name holds another session")


def _gone(why: str) -> Observation:
    return Observation(state=SessionState.ENDED, native=f"{GONE}{why}", gone=True)


def confirm_submission_once(context: RunContext, record: SessionRecord) -> Handle | None:
    """Whether a planned session ever came into being, by one look; see `submitting.settle`.

    Its lock says that whoever planned it is gone, so from the first look in vain nobody can submit it any more.

    Raises:
        NotYet: It is not to be seen and may still show.
    """
    handle = context.backend.find(Ticket.from_json(record.ticket), record.slug)
    visible_s = context.backend.capabilities.visibility_s
    if handle is not None or visible_s == 0.0:
        return handle
    if _missed_for_s(context, record) < visible_s:
        raise NotYet(f"{record.slug} may take up to {visible_s:.0f} s to show")
    return None


def _missed_for_s(context: RunContext, record: SessionRecord) -> float:
    """Seconds since a session was first looked for in vain; writes down that it was."""
    now = context.clock.now()
    missed_at = datetime.fromisoformat(record.missed_at) if record.missed_at is not None else None
    if missed_at is None or missed_at > now:  # the clock was set back: what has passed since is not known
        context.record(EventKind.SESSION_MISSED, record.run_id, record.key, since=now.isoformat())
        return 0.0
    return (now - missed_at).total_seconds()
