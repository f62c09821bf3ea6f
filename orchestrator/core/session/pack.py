"""A pack: several sessions of the same code that share one kernel on the backend. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from orchestrator.core.errors import BadInput
from orchestrator.core.session.backend_types import Handle, Push, RemoteSession
from orchestrator.core.session.machine import Machine
from orchestrator.kernel.wire import Ticket, member_mark


def combine(pushes: Sequence[Push], script: str, slug: str) -> Push:
    """One push of several sessions: that of the first one, with the others as its companions.

    Args:
        pushes: Prepared each for itself, with settings that their backend has made equal.
        script: Holds the tickets of all, in this order.
        slug: Name of the kernel.

    Raises:
        ValueError: They differ in code, account or settings, or two of them are the same session.
    """
    first, *others = pushes
    for other in others:
        if other.ticket.bundle_digest != first.ticket.bundle_digest:
            raise ValueError("the sessions of one kernel must have the same code")
        if (other.owner, other.settings, other.machine) != (first.owner, first.settings, first.machine):
            raise ValueError(f"{first.slug} and {other.slug} ask for different machines")
    if len({one.ticket.nonce for one in pushes}) < len(pushes):
        raise ValueError("a session can be in a pack only once")
    return replace(first, slug=slug, script=script, companions=tuple(others))


def longest_deadline_s(push: Push) -> float | None:
    """Wall seconds of the longest session in a kernel, None if one has no limit."""
    deadlines_s = [one.ticket.spec.get("deadline_s") for one in push.sessions]
    return None if None in deadlines_s else max(float(one) for one in deadlines_s if one is not None)


def member_of(handle: Handle, tickets: Sequence[Ticket], nonce: str) -> Handle | None:
    """The handle of the session with that nonce among those of one kernel, None if it is not there.

    Args:
        handle: Of the kernel.
        tickets: Of all its sessions, in order.
    """
    for number, ticket in enumerate(tickets, 1):
        if ticket.nonce == nonce:
            return handle if len(tickets) == 1 else replace(handle, member=number)
    return None


def sessions_of(
    handle: Handle, tickets: Sequence[Ticket], *, begun_at: datetime | None, machine: Machine | None = None
) -> list[RemoteSession]:
    """The sessions of a kernel that was read back.

    Args:
        handle: Of the kernel.
        tickets: Of all its sessions, in order.
    """
    handles = (member_of(handle, tickets, one.nonce) or handle for one in tickets)
    return [
        RemoteSession(handle=own, ticket=ticket, begun_at=begun_at, machine=machine, kernel_sessions=len(tickets))
        for own, ticket in zip(handles, tickets, strict=True)
    ]


def member_handles(handle: Handle, push: Push) -> list[Handle]:
    """The handle of each session of a pack, in order.

    Args:
        handle: Of the kernel, or of one of its sessions.
    """
    return [replace(handle, member=number) for number in range(1, len(push.sessions) + 1)]


def own_lines(lines: Iterable[str], member: int | None) -> Iterator[str]:
    """A session's own lines of its kernel's log, as it would have written them alone.

    Args:
        member: Its number in the pack, None for a session alone: all lines are its own.
    """
    mark = "" if member is None else member_mark(member)
    return (line.removeprefix(mark) for line in lines if line.startswith(mark))


def own_lines_from(lines: Iterable[tuple[str, int]], member: int | None) -> Iterator[tuple[str, int]]:
    """As `own_lines`, for lines that have a cursor."""
    mark = "" if member is None else member_mark(member)
    return ((line.removeprefix(mark), cursor) for line, cursor in lines if line.startswith(mark))


def require_whole_kernel(handle: Handle, act: str) -> None:
    """Refuse to stop or delete one session of a pack, since that would stop or delete all of them.

    Args:
        act: What was asked for, e.g. `stopped`.

    Raises:
        BadInput: The handle is that of one session of a pack.
    """
    if handle.member is not None:
        raise BadInput(
            f"session {handle.member} of {handle.slug} cannot be {act} alone: it shares its kernel with other sessions",
            remedy=f"It ends with them. The kernel is {act} as a whole: {replace(handle, member=None)}.",
        )
