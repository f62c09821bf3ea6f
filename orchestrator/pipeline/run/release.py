"""End a session in flight whose training is started over."""

from __future__ import annotations

from orchestrator.core.checkpoint.inventory import CheckpointInventory
from orchestrator.core.errors import BadInput, OrchestratorError
from orchestrator.core.ledger.records import AskedBy, SessionRecord
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.session.lifecycle import close_unrestored, finish_session
from orchestrator.pipeline.session.stop import StillRunning, ask_once_identified, wait_for_stop


def release(context: RunContext, record: SessionRecord, inventory: CheckpointInventory) -> None:
    """Ask a session to end and wait for it; its outputs are fetched and not restored.

    One that cannot be stopped, or does not end in time, is closed all the same; its outputs stay on the backend.

    Args:
        inventory: What is in place.

    Raises:
        RemoteUnavailable: The backend cannot be reached. The session stays open.
    """
    if not context.backend.capabilities.can_cancel:
        return _leave(context, record, inventory, BadInput(f"{context.backend.name} offers no way to stop a session"))
    try:
        ask_once_identified(context, record, AskedBy.USER)
    except (BadInput, StillRunning) as fault:
        return _leave(context, record, inventory, fault)
    context.warn(
        "asked_to_leave",
        f"Asked {record.slug} of an earlier command to end; its outputs are fetched and not used",
    )
    try:
        end = wait_for_stop(context, record)
    except StillRunning as fault:
        return _leave(context, record, inventory, fault)
    finish_session(context, record, end, inventory, keep=False)
    return None


def _leave(
    context: RunContext, record: SessionRecord, inventory: CheckpointInventory, fault: OrchestratorError
) -> None:
    shared = record.kernel is not None and not isinstance(fault, StillRunning)
    # The page stops kernels, and with it the trainings that go on.
    advice = "" if shared else " Stop it on the service's own page to spare its quota."
    context.warn(
        "cannot_be_stopped",
        f"{record.handle} may still be running and cannot be stopped from here; its results will not be used.",
        f"{fault}.{advice}",
    )
    close_unrestored(context, record, models_steps=inventory.steps)
