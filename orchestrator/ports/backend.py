"""The interface of a backend. The methods after `cancel` have defaults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from orchestrator.core.errors import BadInput
from orchestrator.core.session.backend_types import (
    Carrier,
    CheckpointSet,
    Handle,
    Look,
    Observation,
    Push,
    RemoteSession,
    Retrieval,
)
from orchestrator.core.session.capabilities import Capabilities
from orchestrator.core.session.machine import Machine
from orchestrator.core.session.pack import combine
from orchestrator.core.session.time_budget import Quota
from orchestrator.kernel.wire import Ticket


class Backend(Protocol):
    """Runs sessions. Never waits, never retries silently, and keeps no state that the ledger lacks.

    Implementations inherit from it to get the defaults.
    """

    @property
    def name(self) -> str:
        """Name on the command line."""

    @property
    def capabilities(self) -> Capabilities:
        """What the backend can do, and its limits."""

    def prepare(self, ticket: Ticket, script: str, checkpoints: CheckpointSet, slug: str, carrier: Carrier) -> Push:
        """Build the complete request. Pure: nothing is sent or written."""

    def pack(self, pushes: Sequence[Push], script: str, slug: str) -> Push:
        """One request for several prepared sessions of the same code, which run side by side in one kernel. Pure.

        Its handle is the kernel's; the handle of each session has its number as `member`.

        Args:
            script: Holds all tickets, in this order; see `render_kernel`.

        Raises:
            ValueError: They cannot share a kernel.
        """
        return combine(pushes, script, slug)

    def stage(self, push: Push) -> None:
        """Upload what the session needs before it starts. Repeatable.

        Raises:
            NotYet: It is being processed; call again.
            NameTaken: The slug belongs to another session.
        """

    def submit(self, push: Push) -> Handle:
        """Start the session: the only method that spends quota.

        Raises:
            NotYet: It was refused for now; nothing was started.
            OutcomeUnknown: The answer was lost; `find` shows the outcome after `Capabilities.visibility_s`.
            BadInput: It was refused permanently.
        """

    def find(self, ticket: Ticket, slug: str) -> Handle | None:
        """The session of this ticket, recognised by its nonce; None if it was never submitted."""

    def observe(self, handle: Handle) -> Observation:
        """The state of a session now."""

    def never_began(self, handle: Handle) -> bool:
        """Whether a submitted session that has ended never began: its name is free again, and it cannot begin later."""
        return False

    def follow(self, handle: Handle, cursor: int) -> Iterator[tuple[str, int]]:
        """New complete lines of the session's log, each with the cursor after it; ends if there are none now.

        With a live stream it ends only when the log is complete or the stream breaks.
        """

    def fetch(self, handle: Handle, into: Path) -> Retrieval:
        """Fetch all outputs. Repeatable; the result lists what is missing."""

    def cancel(self, handle: Handle, session_id: int | None = None) -> None:
        """Ask the session to stop; it may not. Repeatable; does nothing for one that has ended.

        The handle of a pack's kernel stops all its sessions. One of them can be stopped only if it `stops_alone`.

        Args:
            session_id: What `identify` gave, if this backend needs it.

        Raises:
            BadInput: It cannot be stopped from here, for good; the message says why. It goes on.
            RemoteUnavailable: The request may have been lost.
        """

    def stops_alone(self, handle: Handle) -> bool:
        """Whether a session can be stopped without any other: one of a pack only if it has a job of its own."""
        return handle.member is None

    def identify(self, handle: Handle, look: Look | None = None) -> int | None:
        """The backend's own number of a session, which `cancel` needs.

        None where `cancel` needs none: because the session has ended, or on this backend at all.

        Args:
            look: A look that was just made at it; without one the backend is asked.

        Raises:
            NotYet: The session has not shown it so far.
            BadInput: It will never show it.
        """
        return None

    def lines_so_far(self, handle: Handle) -> Sequence[str]:
        """The complete lines that a session has logged until now, without waiting for more."""
        return [line for line, _ in self.follow(handle, 0)]

    def delete(self, handle: Handle) -> None:
        """Delete an ended session with its outputs. Repeatable.

        Raises:
            BadInput: This backend cannot, or refuses it.
        """
        raise BadInput(f"{self.name} cannot delete sessions", remedy="Delete it on the service's own page.")

    def recent_events(self, handle: Handle) -> Sequence[Mapping[str, Any]]:
        """The events that a running session has reported, oldest first; old ones may be left out, except the first.

        Bounded: it reads what is there, and waits a few seconds at most.
        """
        return ()

    def quota(self) -> Quota | None:
        """The account's remaining compute time; None if there is no quota."""
        return None

    def machine(self, handle: Handle) -> Machine | None:
        """What a session ran in; None if it no longer exists, or if the backend has no choice of machines."""
        return None

    def keep_machine(self, push: Push, machine: Machine) -> Push:
        """A push that asks for the machine of an earlier session, where the card does not ask for another. Pure."""
        return push

    def recall(self, lineage_id: str) -> Sequence[RemoteSession]:
        """Sessions of a lineage whose outputs were never fetched, oldest first, from the backend's own records.

        Empty for a backend without such records (`Capabilities.remembers` is False).
        """
        return ()

    def find_renamed(self, ticket: Ticket) -> Handle | None:
        """The session of this ticket under any name, for a backend that may have changed the name; None if none is."""
        return None

    def read(self, slug: str) -> RemoteSession | None:
        """The session of that slug, read back from the backend; None if there is none or it is not ours.

        Of a pack, its first session.
        """
        return None

    def read_all(self, slug: str) -> Sequence[RemoteSession]:
        """All sessions of the kernel of that slug, in the order of its pack.

        Empty if there is none or it is not ours.
        """
        one = self.read(slug)
        return [] if one is None else [one]

    def names(self, prefix: str) -> Sequence[str]:
        """Slugs of this account with that prefix, in any order. All of them exist; the newest may be missing.

        Raises:
            RemoteUnavailable: There is no answer. It must not be taken for an empty list, which means: never trained.
        """
        return ()
