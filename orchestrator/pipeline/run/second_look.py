"""Look once more at a closed session: whether outputs that were missing have arrived."""

from __future__ import annotations

from orchestrator.core.checkpoint.inventory import CheckpointInventory
from orchestrator.core.errors import NotYet, RemoteUnavailable
from orchestrator.core.ledger.records import SessionRecord
from orchestrator.core.run.open_run import ClosedSession
from orchestrator.core.session.backend_types import Handle, Observation, SessionState
from orchestrator.core.session.end_reason import EndReason
from orchestrator.core.session.settling import is_own
from orchestrator.kernel.wire import Ticket
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.session.lifecycle import finish_session, wait_for_end
from orchestrator.pipeline.session.look import is_overdue
from orchestrator.pipeline.session.outputs import Collected, collect_once


def look_again(context: RunContext, record: SessionRecord, inventory: CheckpointInventory) -> ClosedSession | None:
    """Fetch a closed session again, and close it with the end that it has now; None where that is the same.

    Args:
        inventory: What is in place.

    Raises:
        NotYet: It is alive after all, and this command does not wait for it.
        RemoteUnavailable: The backend is away: to push without this look could train again what exists.
    """
    handle, ticket = Handle.parse(str(record.handle)), Ticket.from_json(record.ticket)
    observation = _seen(context, record, handle)
    if observation.state is SessionState.ABSENT:
        return None  # deleted since; the outputs of an earlier fetch were judged
    if not observation.state.terminal and is_overdue(context, record):
        # It was closed by its outputs; its state is stuck.
        observation = Observation(state=SessionState.ENDED, native=observation.native, reason=EndReason.WALL_LIMIT)
    if not observation.state.terminal:
        if not context.waits:
            raise NotYet(f"{record.slug} is {observation.native} although it was closed")
        context.warn("not_ended", f"{record.slug} was closed and is {observation.native}: watching it on")
        return finish_session(context, record, wait_for_end(context, record), inventory)
    found = collect_once(context, ticket, handle, observation)
    if not _settles_more(context, record, ticket, found, inventory):
        return None
    context.info("outputs_arrived", f"{record.slug} was closed as {record.end_reason}; its outputs are there now")
    return finish_session(context, record, observation, inventory, found=found)


def _seen(context: RunContext, record: SessionRecord, handle: Handle) -> Observation:
    """The state now; ended, if it cannot be had and the session's time is over."""
    try:
        return context.backend.observe(handle)
    except RemoteUnavailable as fault:
        if not is_overdue(context, record):
            raise
        return Observation(state=SessionState.ENDED, native=f"not known ({fault})")


def _settles_more(
    context: RunContext, record: SessionRecord, ticket: Ticket, found: Collected, inventory: CheckpointInventory
) -> bool:
    account = found.manifest is not None and is_own(ticket, found.manifest) and record.started_at is None
    return account or context.results.incoming(found.folder, ticket).steps > inventory.steps
