"""Where sessions run, as the pipeline sees it, and what some backends can do beside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Protocol, TypeGuard, runtime_checkable

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
    """Runs sessions somewhere. Never waits, never retries in silence, keeps no state that the ledger lacks."""

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


@runtime_checkable
class Meters(Protocol):
    """A backend that counts what an account may compute."""

    def quota(self) -> Quota | None:
        """What is left; None when the next session would be counted nowhere."""


@runtime_checkable
class Recalls(Protocol):
    """A backend that remembers what was submitted to it and never fetched, even if the ledger is gone."""

    def recall(self, lineage_id: str) -> Sequence[RemoteSession]:
        """Sessions of a lineage whose outputs were never fetched, oldest first."""


@runtime_checkable
class Reads(Protocol):
    """A backend from which one can read back what a session of a given name was told, whoever submitted it."""

    def read(self, slug: str) -> RemoteSession | None:
        """The session of that name; None when there is none, or it is none of ours."""


@runtime_checkable
class Lists(Protocol):
    """A backend that can list names. What it lists is there; the newest may be missing from it for a while."""

    def names(self, prefix: str) -> Sequence[str]:
        """Names of this account that begin so, in any order.

        Raises:
            RemoteUnavailable: It cannot be asked. An empty answer would read as: nothing was ever trained.
        """


def lists(backend: Backend) -> TypeGuard[Lists]:
    """Whether it can list names."""
    return _has(type(backend), Lists)


def meters(backend: Backend) -> TypeGuard[Meters]:
    """Whether it counts what may be computed."""
    return _has(type(backend), Meters)


def reads(backend: Backend) -> TypeGuard[Reads]:
    """Whether it can be read back."""
    return _has(type(backend), Reads)


def recalls(backend: Backend) -> TypeGuard[Recalls]:
    """Whether it remembers by itself what was never fetched."""
    return _has(type(backend), Recalls)


@lru_cache(maxsize=64)  # `isinstance` looks for every verb again, and each start of a session asks several times
def _has(kind: type, port: type) -> bool:
    return issubclass(kind, port)
