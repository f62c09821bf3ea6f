"""What exists over there of a lineage: by listed names where there is a listing, by trying the newer ones besides."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from orchestrator.core.errors import NotYet
from orchestrator.core.session.backend_types import RemoteSession
from orchestrator.core.session.slug import place_of_slug, session_slug
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.remote_listing import Listing
from orchestrator.pipeline.run.adoption import adopt
from orchestrator.ports import Backend

_Place = tuple[int, int]
"""Number of a session, and of the attempt at it."""

_GAP = 2
"""So many numbers in a row without a kernel, beyond the newest that is known, are the end of a lineage."""


def require_no_unknown_sessions(context: RunContext, section: str, lineage_id: str) -> None:
    """Before a tick starts a session: another computer may have gone on, and a name that was deleted is free again.

    The local backend is asked like every other: a ledger that is absent or older than its sandboxes is a loss, and only
    the user's own `run` may take it for a fresh start.

    Raises:
        NotYet: There are sessions that this ledger does not know. They are taken up, and the next look brings home
            what they have.
    """
    if any(run.fresh for run in context.ledger.runs(lineage_id)):
        return
    listed = (context.listing or Listing()).names(context.backend, section, lineage_id)
    taken = adopt_remote_sessions(context, section, lineage_id, listed)
    if taken:
        raise NotYet(f"{taken} session(s) of this training exist over there; they are taken up")


def adopt_remote_sessions(context: RunContext, section: str, lineage_id: str, listed: Collection[str]) -> int:
    """Take up every session of a lineage that exists over there, oldest first; says how many were unknown.

    Args:
        listed: Names that are there, of whatever lineage.
    """
    backend, name = context.backend, context.backend.name
    ours = [one for one in context.ledger.sessions(lineage_id) if one.handle and one.backend == name]
    known = [one.slug for one in ours if not one.gone]
    existing = _existing(backend, section, lineage_id, _places(listed, lineage_id), _places(known, lineage_id))
    return sum(adopt(context, one, recovered=True) for one in existing)


def _places(names: Collection[str], lineage_id: str) -> set[_Place]:
    return {place for name in names if (place := place_of_slug(name, lineage_id)) is not None}


def _existing(
    backend: Backend, section: str, lineage_id: str, listed: set[_Place], known: set[_Place]
) -> Iterator[RemoteSession]:
    for place in sorted(listed - known):
        if (found := _read(backend, section, lineage_id, *place)) is not None:
            yield found
    # A listing shows new kernels late, and theirs are the newest steps: what it may not show yet is asked for by name.
    session, attempt = max(listed | known, default=(0, 0))
    while session and (found := _read(backend, section, lineage_id, session, attempt + 1)) is not None:
        yield found
        attempt += 1
    yield from _beyond(backend, section, lineage_id, session)


def _beyond(backend: Backend, section: str, lineage_id: str, session: int) -> Iterator[RemoteSession]:
    absent = 0
    while absent < _GAP:
        session, attempt = session + 1, 1
        while (found := _read(backend, section, lineage_id, session, attempt)) is not None:
            yield found
            attempt += 1
        absent = 0 if attempt > 1 else absent + 1


def _read(backend: Backend, section: str, lineage_id: str, session: int, attempt: int) -> RemoteSession | None:
    """The session of that place; None for a kernel that was told to be another one, a copy for instance."""
    found = backend.read(session_slug(section, lineage_id, session, attempt))
    if found is None or found.ticket.lineage_id != lineage_id:
        return None
    return found if (found.ticket.session, found.ticket.attempt) == (session, attempt) else None
