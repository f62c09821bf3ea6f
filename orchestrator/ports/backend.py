"""Where sessions run, as the pipeline sees it. The last four methods have defaults for backends without them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from orchestrator.core.session.backend_types import (
    Capabilities,
    Carrier,
    CheckpointSet,
    Handle,
    Observation,
    Push,
    Quota,
    RemoteSession,
    Retrieval,
)
from orchestrator.kernel.wire import Ticket


class Backend(Protocol):
    """Runs sessions somewhere. Never waits, never retries in silence, keeps no state that the ledger lacks.

    Implementations name it as their base class, which gives them the defaults.
    """

    @property
    def name(self) -> str:
        """Word on the command line."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""

    def prepare(self, ticket: Ticket, script: str, checkpoints: CheckpointSet, slug: str, carrier: Carrier) -> Push:
        """The complete request. Pure: nothing is sent or written."""

    def stage(self, push: Push) -> None:
        """Bring what must be there before a submit. Repeatable.

        Raises:
            NotYet: It is on its way; ask again.
            NameTaken: The slug belongs to another session.
        """

    def submit(self, push: Push) -> Handle:
        """Start the session: the only verb that spends quota.

        Raises:
            NotYet: It was refused, and waiting helps. Nothing was started.
            OutcomeUnknown: The answer was lost. `find` tells, once `Capabilities.visibility_s` have passed.
            BadInput: It was refused for good.
        """

    def find(self, ticket: Ticket, slug: str) -> Handle | None:
        """The session of this ticket if it was ever submitted, recognised by its nonce."""

    def observe(self, handle: Handle) -> Observation:
        """One look."""

    def follow(self, handle: Handle, cursor: int) -> Iterator[tuple[str, int]]:
        """New whole lines of the session's log, each with the cursor after it; ends when there are none now.

        A backend with a live stream ends only when the log is complete or the stream breaks.
        """

    def fetch(self, handle: Handle, into: Path) -> Retrieval:
        """Bring all outputs. Repeatable; says what is missing."""

    def cancel(self, handle: Handle) -> None:
        """Ask the session to leave: a request, not a promise."""

    def quota(self) -> Quota | None:
        """What the account may still compute; None where nothing counts it."""
        return None

    def recall(self, lineage_id: str) -> Sequence[RemoteSession]:
        """Sessions of a lineage whose outputs were never fetched, oldest first, as the backend itself remembers them.

        Empty for a backend without a memory of its own; `Capabilities.remembers` says which one has it.
        """
        return ()

    def read(self, slug: str) -> RemoteSession | None:
        """The session of that name, read back from the backend; None without one, or if it is none of ours."""
        return None

    def names(self, prefix: str) -> Sequence[str]:
        """Names of this account that begin so, in any order. What it lists exists; the newest may be missing.

        Raises:
            RemoteUnavailable: The listing cannot be asked. An empty answer would mean: nothing was ever trained.
        """
        return ()
