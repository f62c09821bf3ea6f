"""End a session in flight whose training is started over."""

from __future__ import annotations

from orchestrator.core.checkpoint.inventory import CheckpointInventory
from orchestrator.core.ledger.records import SessionRecord
from orchestrator.core.session.backend_types import Handle
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.session.lifecycle import close_unrestored, finish_session, wait_for_end


def release(context: RunContext, record: SessionRecord, inventory: CheckpointInventory) -> None:
    """Ask a session to end and wait for it; its outputs are fetched and not restored.

    Where a session cannot be cancelled, it is closed at once and its outputs stay on the backend.

    Args:
        inventory: What is in place.
    """
    handle = Handle.parse(str(record.handle))
    context.backend.cancel(handle)
    if not context.backend.capabilities.can_cancel:
        context.warn(
            "cannot_be_stopped",
            f"{handle} may still be running and cannot be stopped from here; its results will not be used.",
            "Stop it on the service's own page to spare its quota.",
        )
        close_unrestored(context, record, models_steps=inventory.steps)
        return
    context.warn(
        "asked_to_leave",
        f"Asked {record.slug} of an earlier command to end; its outputs are fetched and not used",
    )
    finish_session(context, record, wait_for_end(context, record), inventory, keep=False)
