"""The models directory that training reads: `validation_ch7/{section}/data/models/`, under its lock."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from kernel_templates.kernel_runtime.checkpoints import survey_checkpoints
from kernel_templates.kernel_runtime.digests import file_entry
from kernel_templates.kernel_runtime.wire import (
    BEST_MODEL,
    BEST_MODEL_CARD,
    CARD_SUFFIX,
    CHECKPOINTS,
    METADATA_NAME,
    FileEntry,
)
from orchestrator.core.errors import InUse, RunFailed
from orchestrator.core.models import Incoming, ModelsView
from orchestrator.core.packing import pack
from orchestrator.stores.swap import discard, finish_swap, swap

_INCOMING_PREFIX = ".incoming-"
_CHUNK_BYTES = 1 << 20


class ModelsDirectory:
    """One training place.

    Args:
        path: The models directory; it need not exist.
        scenario: Scenario of its checkpoints.
    """

    def __init__(self, path: Path, scenario: str) -> None:
        self._path = path
        self._scenario = scenario
        self._journal = path.parent / "restore_journal.json"
        self._archives = path.parent / "archive"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory's lock.

        Raises:
            InUse: Another run holds it.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._path.parent / "models.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise InUse(
                f"another run is using {self._path}",
                remedy="Wait for it to end; `python -m orchestrator status` shows it.",
            ) from None
        try:
            yield
        finally:
            lock.release()

    def recover(self) -> str | None:
        """Finish a restore that was cut off, and sweep away one that had not been verified yet."""
        done = finish_swap(self._path.parent, self._journal)
        if self._path.parent.is_dir():
            for torn in self._path.parent.glob(f"{_INCOMING_PREFIX}*"):
                discard(torn)
        return done

    def view(self) -> ModelsView:
        """What is there, every checkpoint verified."""
        survey = survey_checkpoints(self._path, self._scenario)
        entries = []
        for card in survey.verified:
            folder = self._path / CHECKPOINTS
            # As its card says, and as was just verified.
            entries += [replace(described, path=f"{CHECKPOINTS}/{described.path}") for described in card.files]
            entries.append(file_entry(folder / (card.stem + CARD_SUFFIX), self._path))
        beside = [self._path / BEST_MODEL, self._path / BEST_MODEL_CARD, self._path / METADATA_NAME]
        if survey.verified:
            entries += [file_entry(path, self._path) for path in beside if path.is_file()]
        return ModelsView(
            root=self._path,
            verified=survey.verified,
            faults=survey.faults,
            leftovers=self._leftovers(),
            entries=tuple(entries),
            exists=self._path.is_dir(),
        )

    def packed(self, entries: Sequence[FileEntry]) -> bytes:
        """These files as one deterministic zip, to travel inside a script."""
        return pack((entry.path, (self._path / entry.path).read_bytes()) for entry in entries)

    def replace_with(self, incoming: Incoming, token: str) -> None:
        """Put a verified set in place; the old one lies in the archive until `discard_archive(token)`.

        The best model is never lost: one in place stays when the incoming set brings none.

        Raises:
            RunFailed: A copied file does not have its digest; the directory is as before.
        """
        staged = self._path.parent / f"{_INCOMING_PREFIX}{token}"
        discard(staged)
        fault = next(filter(None, (_copied_fault(entry, incoming.root, staged) for entry in incoming.entries)), None)
        brought = {entry.path for entry in incoming.entries}
        if BEST_MODEL.as_posix() not in brought:
            for kept in (BEST_MODEL, BEST_MODEL_CARD):
                if (self._path / kept).is_file():
                    _copy(self._path / kept, staged / kept)
        if fault:
            discard(staged)
            raise RunFailed(f"restore refused: {fault}", remedy="Check the disk, then run the same command again.")
        discard(self._archives / token)  # of an earlier restore of the same session that was cut off
        swap(self._path, staged, self._archives / token, self._journal)

    def archive(self, token: str) -> Path:
        """Move everything aside for good; returns where it lies. An empty directory stays: an absent one is a loss."""
        archive = self._archives / token
        archive.parent.mkdir(parents=True, exist_ok=True)
        os.replace(self._path, archive)
        self._path.mkdir()
        return archive

    def discard_archive(self, token: str) -> None:
        """The new set is recorded: the old one is not needed any more."""
        discard(self._archives / token)

    def _leftovers(self) -> tuple[str, ...]:
        if not self._path.is_dir():
            return ()
        files = (path.relative_to(self._path) for path in sorted(self._path.rglob("*")) if path.is_file())
        return tuple(path.as_posix() for path in files if path.parts[0] != CHECKPOINTS)


def _copied_fault(entry: FileEntry, source: Path, destination: Path) -> str | None:
    """Copy one file and say why it is not the one described, None when every byte agrees.

    What is hashed is what is written, in one pass: reading the copy again would only ask the system's memory.
    """
    size_bytes, sha256 = _copy(source / entry.path, destination / entry.path)
    if size_bytes != entry.size_bytes:
        return f"{entry.path} has {size_bytes} bytes instead of {entry.size_bytes}"
    return None if sha256 == entry.sha256 else f"{entry.path} does not have its sha256"


def _copy(source: Path, destination: Path) -> tuple[int, str]:
    """Copy a file durably; returns how many bytes it had, and their sha256."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    digest, size_bytes = hashlib.sha256(), 0
    with source.open("rb") as reading, destination.open("wb") as writing:
        while chunk := reading.read(_CHUNK_BYTES):
            digest.update(chunk)
            size_bytes += writing.write(chunk)
        writing.flush()
        os.fsync(writing.fileno())
    return size_bytes, digest.hexdigest()
