"""What is kept on this computer: events and rows, checkpoints, results, code, the right to act."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from orchestrator.core.checkpoint.inventory import CheckpointInventory, FetchedCheckpoints
from orchestrator.core.ledger.events import Event
from orchestrator.core.ledger.records import RunRecord, SessionRecord
from orchestrator.core.reporting.learning_curve import SessionCurve
from orchestrator.core.session.backend_types import (
    Bundle,
)
from orchestrator.kernel.session.manifest import Manifest
from orchestrator.kernel.wire import FileEntry, Ticket


class Ledger(Protocol):
    """What happened, durable."""

    def record(self, *events: Event) -> None:
        """Append events of one session, or of one run itself, and update their rows in one transaction."""

    def runs(self, lineage_id: str | None = None) -> Sequence[RunRecord]:
        """All runs, of one lineage if named, oldest first."""

    def sessions(self, lineage_id: str | None = None) -> Sequence[SessionRecord]:
        """All sessions, of one lineage if named, oldest first."""

    def session(self, key: str) -> SessionRecord | None:
        """One session."""

    def open_sessions(self) -> Sequence[SessionRecord]:
        """Sessions that were not carried to their end, oldest first."""

    def last_event(self) -> int:
        """Number of the latest event, 0 without one: equal numbers mean that nothing has changed."""


class ModelsStore(Protocol):
    """The models directory of one training place, under its lock."""

    def locked(self) -> AbstractContextManager[None]:
        """Hold the directory's lock."""

    def recover(self) -> str | None:
        """Finish or undo a restore that was cut off; says what it did."""

    def view(self) -> CheckpointInventory:
        """What is there, verified."""

    def packed(self, entries: Sequence[FileEntry]) -> bytes:
        """These files as one deterministic zip."""

    def replace_with(self, incoming: FetchedCheckpoints, token: str) -> Path:
        """Put a verified set in place; what it replaces lies in the returned folder until `discard_archive(token)`."""

    def archive(self, token: str) -> Path:
        """Move everything aside for good; returns where it lies."""

    def archive_leftovers(self, token: str) -> Path:
        """Move what a training left beside its checkpoints aside for good; returns where it lies."""

    def discard_archive(self, token: str) -> None:
        """The new set is recorded: the files of earlier sessions that it replaced are not needed any more."""


class ResultsStore(Protocol):
    """`validation_output/results/`."""

    def folder(self, owner: str, slug: str) -> Path:
        """Where a session's outputs go."""

    def taken(self, owner: str) -> Sequence[str]:
        """Slugs of this owner that already have a folder."""

    def manifest(self, folder: Path) -> tuple[Manifest | None, tuple[str, ...]]:
        """The manifest in a results folder, and what is wrong with the files that it lists."""

    def manifest_sha256(self, folder: Path) -> str:
        """Digest of the manifest's file."""

    def stretch(self, record: SessionRecord) -> SessionCurve | None:
        """What a session told of its training; None for one that never trained.

        Raises:
            RunFailed: What it left is damaged, or of another session.
        """

    def evaluations(self, folder: Path) -> tuple[tuple[int, float], ...]:
        """Evaluations that a session reported in its event file, oldest first: steps and score."""

    def author(self, folder: Path, section_dir: str, scenario: str) -> Ticket | None:
        """The session that wrote a results folder, by its own word; None where nothing in it says so."""

    def incoming(self, folder: Path, ticket: Ticket) -> FetchedCheckpoints:
        """Checkpoints of the session that agree with their cards, newest first, and what is wrong with others."""


class CodeStore(Protocol):
    """The code and the template that go into a kernel."""

    def bundle(self) -> Bundle:
        """Pack the code as it is now."""

    def template(self) -> str:
        """Text of the kernel template."""


class Gate(Protocol):
    """Searches for secrets whatever is about to leave this computer."""

    def check_files(self, root: Path, entries: Sequence[FileEntry]) -> None:
        """Refuse files that hold a secret in use, archives among them member by member.

        Raises:
            BadInput: One does; it is named, the secret is not shown.
        """

    def check_fields(self, texts: Mapping[str, str]) -> None:
        """Refuse short texts that hold a secret in use, or what looks like a secret.

        Raises:
            BadInput: One does.
        """

    def check_texts(self, texts: Mapping[str, str]) -> None:
        """Refuse texts that hold a secret in use.

        Raises:
            BadInput: One does.
        """


class Lease(Protocol):
    """The right to run ticks, held by one program at a time on a machine."""

    def take(self) -> bool:
        """Take the lease; False if another running program has it."""

    def holds(self) -> bool:
        """Whether this program still has the lease; renews it."""

    def release(self) -> None:
        """Give the lease back."""
