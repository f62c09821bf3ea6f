"""Interfaces of the stores: ledger, models directory, results, code, secrets gate, lease."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from orchestrator.core.checkpoint.inventory import CheckpointInventory, FetchedCheckpoints, Replaced
from orchestrator.core.ledger.events import Event
from orchestrator.core.ledger.records import RunRecord, SessionRecord
from orchestrator.core.reporting.learning_curve import SessionCurve
from orchestrator.core.section.card import SectionCard
from orchestrator.core.session.backend_types import Bundle
from orchestrator.kernel.session.manifest import Manifest
from orchestrator.kernel.wire import FileEntry, Ticket


class Ledger(Protocol):
    """The durable record of runs and sessions."""

    def record(self, *events: Event) -> None:
        """Append events of one session, or of one run itself, and update their rows in one transaction."""

    def runs(self, lineage_id: str | None = None) -> Sequence[RunRecord]:
        """All runs, of one lineage if named, oldest first."""

    def sessions(self, lineage_id: str | None = None) -> Sequence[SessionRecord]:
        """All sessions, of one lineage if named, oldest first."""

    def session(self, key: str) -> SessionRecord | None:
        """One session."""

    def open_sessions(self) -> Sequence[SessionRecord]:
        """Sessions that are not closed, oldest first."""

    def last_event(self) -> int:
        """Number of the latest event, 0 without one: equal numbers mean that nothing has changed."""


class ModelsStore(Protocol):
    """The models directory of one training."""

    def locked(self) -> AbstractContextManager[None]:
        """Hold the directory's lock."""

    def recover(self) -> str | None:
        """Finish an interrupted change; returns what was done, None if there is nothing to report."""

    def view(self) -> CheckpointInventory:
        """What the directory holds, with every checkpoint verified."""

    def packed(self, entries: Sequence[FileEntry]) -> bytes:
        """These files as one deterministic zip."""

    def unchanged(self, inventory: CheckpointInventory) -> bool:
        """Whether no file was written, added or removed since `view` gave this; False where that is not certain."""

    def replace_with(
        self, incoming: FetchedCheckpoints, token: str, before: CheckpointInventory | None = None
    ) -> Replaced:
        """Put a verified set in place; what it replaces lies in the archive until `discard_archive(token)`.

        Args:
            before: What is in place, None to survey it.
        """

    def archive(self, token: str) -> Path:
        """Move everything to the archive permanently; returns the folder."""

    def archive_leftovers(self, token: str) -> Path:
        """Move best model, metadata and final model to the archive permanently; returns the folder."""

    def archived_sets(self) -> Iterator[FetchedCheckpoints]:
        """The verified checkpoints of each folder of the archive, and the faults of the others."""

    def discard_archive(self, token: str) -> None:
        """Delete the replaced files of earlier sessions, once the new set is recorded."""


class ResultsStore(Protocol):
    """`validation_output/results/`."""

    def folder(self, owner: str, slug: str) -> Path:
        """Where a session's outputs go."""

    def taken(self, owner: str) -> Sequence[str]:
        """Slugs of this owner that already have a folder."""

    def manifest(self, folder: Path) -> tuple[Manifest | None, tuple[str, ...]]:
        """The manifest in a results folder, and the faults of the outputs that it lists."""

    def discard_foreign_manifest(self, folder: Path, nonce: str) -> None:
        """Delete the manifest in a results folder unless it has this nonce."""

    def manifest_sha256(self, folder: Path) -> str:
        """Digest of the manifest's file."""

    def stretch(self, record: SessionRecord) -> SessionCurve | None:
        """The learning curve of a session; None for one that never trained.

        Raises:
            RunFailed: Its event file is damaged, or of another session.
        """

    def evaluations(self, folder: Path) -> tuple[tuple[int, float], ...]:
        """Evaluations that a session reported in its event file, oldest first: steps and score."""

    def author(self, folder: Path, section_dir: str, scenario: str) -> Ticket | None:
        """Ticket of the session that wrote a results folder, as the folder states it; None if it states none."""

    def incoming(self, folder: Path, ticket: Ticket) -> FetchedCheckpoints:
        """Checkpoints of the session that agree with their cards, newest first, and the faults of the others."""


class CodeStore(Protocol):
    """The code and the template of a kernel."""

    def bundle(self, card: SectionCard) -> Bundle:
        """Pack the present code of a section."""

    def template(self) -> str:
        """Text of the kernel template."""


class Gate(Protocol):
    """Refuses to send anything that holds a secret."""

    def check_files(self, root: Path, entries: Sequence[FileEntry]) -> None:
        """Refuse files that hold a secret in use or what looks like a secret; archives are searched too.

        Raises:
            BadInput: One does; the message names the file and does not show the secret.
        """

    def check_fields(self, texts: Mapping[str, str]) -> None:
        """Refuse short texts that hold a secret in use, or what looks like a secret.

        Raises:
            BadInput: One does.
        """

    def take_allowed(self) -> tuple[str, ...]:
        """A sentence for each finding that the user has allowed, each once."""

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
