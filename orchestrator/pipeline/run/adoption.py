"""Sessions that exist on the backend and that the ledger lacks: found by listing and by name, and adopted."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

from orchestrator.core.errors import NotYet, RemoteUnavailable
from orchestrator.core.ledger.events import EventKind
from orchestrator.core.ledger.records import Stage, session_key
from orchestrator.core.scheduling.packs import complete_packs
from orchestrator.core.session.backend_types import Carrier, RemoteSession
from orchestrator.core.session.slug import is_pack, own_slug, place_of_slug, session_slug
from orchestrator.kernel.wire import Ticket
from orchestrator.pipeline.context import Listing, RunContext
from orchestrator.pipeline.session.lifecycle import abandon
from orchestrator.pipeline.session.submit import plan_session
from orchestrator.ports import Backend

_Place = tuple[int, int]
"""Number of a session, and of the attempt at it."""

_GAP = 2
"""So many numbers in a row without a kernel, beyond the newest that is known, are the end of a lineage."""


def require_no_unknown_sessions(context: RunContext, section: str, lineage_id: str) -> None:
    """Before a tick starts a session: another computer may have continued, and a deleted name can be used again.

    The local backend is asked like every other: a ledger that is absent or older than its sandboxes is a loss, and only
    the user's own `run` may take it for a fresh start.

    Raises:
        NotYet: There are sessions that this ledger does not know. They are adopted, and the next look collects them.
    """
    if any(run.fresh for run in context.ledger.runs(lineage_id)):
        return
    listing = context.listing or Listing()
    if adopted := adopt_remote_sessions(context, section, lineage_id, listing):
        raise NotYet(f"{adopted} session(s) of this training exist on {context.backend.name}; they are adopted")
    for other in context.elsewhere:
        if adopted := _adopt_elsewhere(replace(context, backend=other), section, lineage_id, listing):
            raise NotYet(f"{adopted} session(s) of this training exist on {other.name}; they are adopted")


def _adopt_elsewhere(context: RunContext, section: str, lineage_id: str, listing: Listing) -> int:
    """Adopt sessions on another backend if it lists some of the lineage, or has had some; says how many were unknown.

    A listing costs one request for all trainings. To ask by name, as the backend at hand is asked, costs some for each.
    """
    backend = context.backend
    try:
        known = any(one.backend == backend.name for one in context.ledger.sessions(lineage_id))
        listed = listing.names(backend, section, lineage_id) or any(map(is_pack, listing.all_names(backend, section)))
        return adopt_remote_sessions(context, section, lineage_id, listing) if known or listed else 0
    except RemoteUnavailable as fault:
        context.away(backend.name, fault)
        return 0


def adopt_remote_sessions(context: RunContext, section: str, lineage_id: str, listing: Listing) -> int:
    """Adopt every session of a lineage that exists on the backend, oldest first; says how many were unknown.

    Args:
        listing: Reads the names that exist there, and the sessions in kernels that several lineages share.
    """
    listed = listing.names(context.backend, section, lineage_id)
    in_packs = listing.packed(context.backend, section, complete_packs(context.ledger.sessions()))
    packed = [one for one in in_packs if one.ticket.lineage_id == lineage_id]
    backend, name = context.backend, context.backend.name
    ours = [one for one in context.ledger.sessions(lineage_id) if one.handle and one.backend == name]
    known = [one.slug for one in ours if not one.gone]
    places = {(one.ticket.session, one.ticket.attempt) for one in packed}
    newest = max((one.session for one in context.ledger.sessions(lineage_id)), default=0)
    listed_places, known_places = _places(listed, lineage_id), _places(known, lineage_id) | places
    existing = _existing(backend, section, lineage_id, listed_places, known_places, newest)
    found = sorted((*packed, *existing), key=lambda one: (one.ticket.session, one.ticket.attempt))
    return sum(adopt(context, one, recovered=True) for one in found)


def adopt_remembered(context: RunContext, lineage_id: str) -> None:
    """Adopt the sessions that the backend itself remembers: the ledger may have been deleted."""
    for existing in context.backend.recall(lineage_id):
        adopt(context, existing)


def has_unknown_remembered(context: RunContext, lineage_id: str) -> bool:
    """Whether the backend itself remembers sessions that `adopt_remembered` would adopt. Changes nothing."""
    return any(not _is_known(context, one.ticket) for one in context.backend.recall(lineage_id))


def adopt(context: RunContext, existing: RemoteSession, *, recovered: bool = False) -> bool:
    """Write a session into the ledger that exists on the backend; says whether it was unknown, or given up as lost.

    Args:
        recovered: Whether it was found by its name alone. One that this computer's own backend remembers is not:
            there an empty models directory was emptied by hand.
    """
    handle, ticket = existing.handle, existing.ticket
    if _is_known(context, ticket):
        return False
    known = [record for record in context.ledger.sessions(ticket.lineage_id) if record.nonce == ticket.nonce]
    key = session_key(ticket.run_id, ticket.session, ticket.attempt)
    planned = context.ledger.session(key)
    if planned is not None and planned.handle is not None:
        context.warn("foreign_session", f"{handle} is not the session that was pushed under this name: it is ignored")
        return False
    traits: dict[str, Any] = {"recovered": recovered}
    if known:
        context.warn(
            "lost_session_found", f"{handle} was pushed from here and given up as lost; it exists, and is adopted"
        )
        traits = {"recovered": known[-1].recovered, "lost": known[-1].lost, "campaign": known[-1].campaign}
    else:
        context.info("session_adopted", f"{handle} is not in the ledger: it is adopted")
    _record_run(context, ticket)
    if planned is not None and planned.stage is not Stage.CLOSED:
        abandon(context, planned)  # the same place of the same run, by another program: that one exists
    begun_at = existing.begun_at.isoformat() if existing.begun_at else None
    carrier = Carrier(known[-1].carrier) if known else Carrier.NONE
    if existing.machine is not None:
        traits["machine"] = existing.machine.to_json()
    if handle.member is not None:
        traits |= {"kernel": handle.slug, "kernel_sessions": existing.kernel_sessions}
    plan_session(context, ticket, own_slug(handle, ticket), carrier, begun_at=begun_at, **traits)
    context.record(EventKind.SESSION_SUBMITTED, ticket.run_id, key, handle=str(handle))
    return True


def pushed_from_here(context: RunContext, ticket: Ticket) -> bool:
    """Whether this ledger has planned the very session of this ticket."""
    return any(record.nonce == ticket.nonce for record in context.ledger.sessions(ticket.lineage_id))


def _is_known(context: RunContext, ticket: Ticket) -> bool:
    """Whether the ledger has the session, and has not given it up as lost."""
    sessions = context.ledger.sessions(ticket.lineage_id)
    return any(record.nonce == ticket.nonce and not record.never_submitted for record in sessions)


def _record_run(context: RunContext, ticket: Ticket) -> None:
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
        target_steps=ticket.spec["target_steps"],
        steps_start=steps,
        steps_done=steps,
        code_digest=ticket.bundle_digest,
    )


def _places(names: Collection[str], lineage_id: str) -> set[_Place]:
    return {place for name in names if (place := place_of_slug(name, lineage_id)) is not None}


def _existing(
    backend: Backend, section: str, lineage_id: str, listed: set[_Place], known: set[_Place], newest: int
) -> Iterator[RemoteSession]:
    for place in sorted(listed - known):
        if (found := _read(backend, section, lineage_id, *place)) is not None:
            yield found
    # A listing shows new kernels late, and theirs are the newest steps: these are asked for by name.
    session, attempt = max(listed | known, default=(0, 0))
    while session and (found := _read(backend, section, lineage_id, session, attempt + 1)) is not None:
        yield found
        attempt += 1
    yield from _beyond(backend, section, lineage_id, session)
    if newest > session + _GAP:  # of sessions on other backends: the next number here is beyond theirs
        yield from _beyond(backend, section, lineage_id, newest)


def _beyond(backend: Backend, section: str, lineage_id: str, session: int) -> Iterator[RemoteSession]:
    absent = 0
    while absent < _GAP:
        session, attempt = session + 1, 1
        while (found := _read(backend, section, lineage_id, session, attempt)) is not None:
            yield found
            attempt += 1
        absent = 0 if attempt > 1 else absent + 1


def _read(backend: Backend, section: str, lineage_id: str, session: int, attempt: int) -> RemoteSession | None:
    """The session of that place; None for a kernel with another session's ticket, for instance a copy."""
    found = backend.read(session_slug(section, lineage_id, session, attempt))
    if found is None or found.ticket.lineage_id != lineage_id:
        return None
    return found if (found.ticket.session, found.ticket.attempt) == (session, attempt) else None
