"""The counters between the pipeline and the outside: Protocols only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from kernel_templates.kernel_runtime.manifest import Manifest
from kernel_templates.kernel_runtime.wire import FileEntry, Ticket
from orchestrator.core.events import Event
from orchestrator.core.exchange import (
    Bundle,
    Capabilities,
    Carrier,
    CheckpointSet,
    Existing,
    Handle,
    Observation,
    Push,
    Quota,
    Retrieval,
)
from orchestrator.core.models import Incoming, ModelsView
from orchestrator.core.records import RunRecord, SessionRecord


class Clock(Protocol):
    """Time, injected so that tests need not wait."""

    def now(self) -> datetime:
        """Aware time, UTC."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def sleep(self, seconds: float) -> None:
        """Let time pass."""


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

    def recall(self, lineage_id: str) -> Sequence[Existing]:
        """Sessions of a lineage whose outputs were never fetched, oldest first."""


@runtime_checkable
class Reads(Protocol):
    """A backend from which one can read back what a session of a given name was told, whoever submitted it."""

    def read(self, slug: str) -> Existing | None:
        """The session of that name; None when there is none, or it is none of ours."""


@runtime_checkable
class Lists(Protocol):
    """A backend that can list names. What it lists is there; the newest may be missing from it for a while."""

    def names(self, prefix: str) -> Sequence[str]:
        """Names of this account that begin so, in any order.

        Raises:
            RemoteUnavailable: It cannot be asked. An empty answer would read as: nothing was ever trained.
        """


class Lease(Protocol):
    """The right to move a campaign on, held by one program at a time on a machine."""

    def take(self) -> bool:
        """Take it; False when another living program has it."""

    def holds(self) -> bool:
        """Whether it is still ours; renews it."""

    def let_go(self) -> None:
        """Give it back."""


class Herald(Protocol):
    """Tells the outside what became of a campaign."""

    def tell(self, report: Mapping[str, Any]) -> None:
        """Send a report.

        Raises:
            OrchestratorError: It did not arrive.
        """


class Ledger(Protocol):
    """What happened, durable."""

    def record(self, event: Event) -> None:
        """Append an event and update its rows in one transaction."""

    def runs(self, lineage_id: str | None = None) -> Sequence[RunRecord]:
        """All runs, of one lineage if named, oldest first."""

    def sessions(self, lineage_id: str | None = None) -> Sequence[SessionRecord]:
        """All sessions, of one lineage if named, oldest first."""

    def session(self, key: str) -> SessionRecord | None:
        """One session."""

    def open_sessions(self) -> Sequence[SessionRecord]:
        """Sessions that were not carried to their end, oldest first."""

    def changes(self, since: int) -> tuple[int, frozenset[str]]:
        """Number of the latest event, and the lineages that any event after number `since` concerns."""


class ModelsStore(Protocol):
    """The models directory of one training place, under its lock."""

    def locked(self) -> AbstractContextManager[None]:
        """Hold the directory's lock."""

    def recover(self) -> str | None:
        """Finish or undo a restore that was cut off; says what it did."""

    def view(self) -> ModelsView:
        """What is there, verified."""

    def packed(self, entries: Sequence[FileEntry]) -> bytes:
        """These files as one deterministic zip."""

    def replace_with(self, incoming: Incoming, token: str) -> None:
        """Put a verified set in place; the old one lies in the archive until `discard_archive(token)`."""

    def archive(self, token: str) -> Path:
        """Move everything aside for good."""

    def discard_archive(self, token: str) -> None:
        """The new set is recorded: the old one is not needed any more."""


class ResultsStore(Protocol):
    """`validation_output/results/`."""

    def folder(self, owner: str, slug: str) -> Path:
        """Where a session's outputs go."""

    def taken(self, owner: str) -> Sequence[str]:
        """Slugs of this owner that already have a folder."""

    def manifest(self, folder: Path) -> tuple[Manifest | None, tuple[str, ...]]:
        """The manifest in a results folder, and what is wrong with the files that it lists."""

    def incoming(self, folder: Path, ticket: Ticket) -> Incoming:
        """Checkpoints of the session that agree with their cards, newest first, and what is wrong with others."""


class CodeStore(Protocol):
    """The code and the template that go into a kernel."""

    def bundle(self) -> Bundle:
        """Pack the code as it is now."""

    def template(self) -> str:
        """Text of the kernel template."""


class Narrator(Protocol):
    """Tells people what happens."""

    def say(self, *lines: str) -> None:
        """Whole lines."""

    def progress(self, report: dict[str, Any]) -> None:
        """How far the training is."""

    def quiet(self) -> None:
        """End a progress display."""
