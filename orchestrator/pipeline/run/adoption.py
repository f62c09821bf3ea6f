"""Where a run starts: what the models directory says, never what the ledger remembers."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from orchestrator.core.ledger.events import EventKind
from orchestrator.core.ledger.records import SessionRecord, Stage, session_key
from orchestrator.core.run.wait_policy import WaitPolicy
from orchestrator.core.session.backend_types import Carrier, Handle, Observation, RemoteSession
from orchestrator.kernel.wire import Ticket
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.session.lifecycle import ClosedSession, abandon, close_unrestored, finish_session
from orchestrator.pipeline.session.poll import confirm_submission_once
from orchestrator.pipeline.session.submit import confirm_submission, plan_session


def finish_open_sessions(
    context: RunContext, lineage_id: str, *, fresh: bool, ended: Mapping[str, Observation] = MappingProxyType({})
) -> ClosedSession | None:
    """Carry on a session that an earlier command left in flight, instead of starting a second one.

    Args:
        lineage_id: The lineage at hand.
        fresh: The user wants to begin anew: what is in flight is asked to leave, its outputs are fetched where
            that takes no hours, and nothing of it is put in place.
        ended: Key of a session -> the look that just saw its end; it is not looked at again.

    Returns:
        The session, carried to its end; None when nothing was in flight or its results are not wanted.
    """
    adopted: ClosedSession | None = None
    if context.wait_policy is WaitPolicy.WAIT:
        _recall(context, lineage_id)  # another pace finds them by their names, when it comes to them
    for record in open_sessions(context, lineage_id):
        ticket = Ticket.from_json(record.ticket)
        handle = Handle.parse(record.handle) if record.handle else _settled(context, record, ticket)
        if handle is None:
            abandon(context, record)
        elif fresh:
            _let_go(context, record, ticket, handle)
        else:
            context.detail(
                "session_found",
                f"Found session {record.slug} of an earlier command: carrying it on to its own target of "
                f"{ticket.spec['target_steps']} steps",
            )
            adopted = finish_session(context, ticket, handle, ended=ended.get(record.key))
    return adopted


def _settled(context: RunContext, record: SessionRecord, ticket: Ticket) -> Handle | None:
    """Whether a planned session was ever started."""
    if context.wait_policy is WaitPolicy.WAIT:
        # Nobody knows when within its stage the earlier command died: the window counts from now.
        return confirm_submission(context, ticket, record.slug, context.clock.now())
    return confirm_submission_once(context, record)


def _recall(context: RunContext, lineage_id: str) -> None:
    """Write sessions into the ledger that only the backend remembers: the ledger may have been deleted."""
    for existing in context.backend.recall(lineage_id):
        adopt(context, existing)


def adopt(context: RunContext, existing: RemoteSession, *, recovered: bool = False) -> bool:
    """Write a session into the ledger that exists over there; says whether it was unknown, or given up as lost.

    Args:
        recovered: Whether it was found by its name alone. One that this computer's own backend remembers is not:
            there an empty models directory was emptied by hand.
    """
    handle, ticket = existing.handle, existing.ticket
    known = [record for record in context.ledger.sessions(ticket.lineage_id) if record.nonce == ticket.nonce]
    if not all(record.never_submitted for record in known):
        return False
    key = session_key(ticket.run_id, ticket.session, ticket.attempt)
    planned = context.ledger.session(key)
    if planned is not None and planned.handle is not None:
        context.warn(
            "foreign_session", f"{handle} is not the session that was pushed under this name: it is left alone"
        )
        return False
    traits: dict[str, Any] = {"recovered": recovered}
    if known:
        context.warn(
            "lost_session_found",
            f"{handle} was pushed from here and given up as lost; it shows now, and is taken up again",
        )
        traits = {"recovered": known[-1].recovered, "lost": known[-1].lost, "campaign": known[-1].campaign}
    else:
        context.info("session_adopted", f"{handle} is not in the ledger: it is taken up again")
    _recall_run(context, ticket)
    if planned is not None and planned.stage is not Stage.CLOSED:
        abandon(context, planned)  # the same place of the same run, by another program: that one exists
    begun_at = existing.begun_at.isoformat() if existing.begun_at else None
    carrier = Carrier(known[-1].carrier) if known else Carrier.NONE
    plan_session(context, ticket, handle.slug, carrier, begun_at=begun_at, **traits)
    context.record(EventKind.SESSION_SUBMITTED, ticket.run_id, key, handle=str(handle))
    return True


def pushed_from_here(context: RunContext, ticket: Ticket) -> bool:
    """Whether this ledger has planned the very session that was told this."""
    return any(record.nonce == ticket.nonce for record in context.ledger.sessions(ticket.lineage_id))


def _recall_run(context: RunContext, ticket: Ticket) -> None:
    if any(record.run_id == ticket.run_id for record in context.ledger.runs(ticket.lineage_id)):
        return
    steps = context.models.view().steps
    context.record(
        EventKind.RUN_STARTED,
        ticket.run_id,
        section=ticket.section,
        lineage_id=ticket.lineage_id,
        profile=str(ticket.spec["profile"]),
        backend=context.backend.name,
        target_steps=int(ticket.spec["target_steps"]),
        steps_start=steps,
        steps_done=steps,
        code_digest=ticket.bundle_digest,
    )


def _let_go(context: RunContext, record: SessionRecord, ticket: Ticket, handle: Handle) -> None:
    context.backend.cancel(handle)
    if context.backend.capabilities.can_cancel:
        context.warn(
            "asked_to_leave",
            f"Asked {record.slug} of an earlier command to leave; its outputs are fetched and not used",
        )
        finish_session(context, ticket, handle, restore=False)
        return
    context.warn(
        "cannot_be_stopped",
        f"{handle} may still be running and cannot be stopped from here; its results will not be used.",
        "Stop it on the service's own page to spare its quota.",
    )
    close_unrestored(context, record)


def open_sessions(context: RunContext, lineage_id: str) -> list[SessionRecord]:
    """Sessions of a lineage on this backend that were not carried to their end."""
    return [
        record
        for record in context.ledger.sessions(lineage_id)
        if record.stage is not Stage.CLOSED and record.backend == context.backend.name
    ]
