"""The content of a models directory, and the checkpoints that a session made for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.wire import FileEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointInventory:
    """What a models directory holds.

    Attributes:
        verified: Cards of checkpoints whose files match their digests, newest first.
        faults: Checkpoint stem -> why it is not usable.
        leftovers: Other files of a training (best model, metadata, final model), relative POSIX paths.
        entries: Every file that a session would start from, with its digest.
        own: The user's own files: no card describes them and no restore wrote them; relative POSIX paths.
        archived: Files that were moved to the archive and are kept.
        exists: Whether the directory exists, even if it is empty.
        signature: Names, sizes and times of its files; None if these could not show every later change.
    """

    root: Path
    verified: tuple[CheckpointCard, ...]
    faults: Mapping[str, str]
    leftovers: tuple[str, ...]
    entries: tuple[FileEntry, ...]
    own: tuple[str, ...] = ()
    archived: tuple[str, ...] = ()
    exists: bool = True
    signature: object = field(default=None, compare=False, repr=False)

    @property
    def latest(self) -> CheckpointCard | None:
        """The checkpoint that a run starts from."""
        return self.verified[0] if self.verified else None

    @property
    def steps(self) -> int:
        """Steps of the latest checkpoint, 0 without one."""
        return self.latest.steps if self.latest else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """A models directory after a set was put in place.

    Attributes:
        archive: Where what it replaced lies.
    """

    inventory: CheckpointInventory
    archive: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedCheckpoints:
    """The usable checkpoints in a session's outputs.

    Attributes:
        root: The models directory inside the results folder.
        verified: Cards of checkpoints that it saved or was given and whose files match, newest first.
        faults: Checkpoint stem -> why it was refused.
        entries: Files to put in place, with digest; paths relative to `root`.
    """

    root: Path
    verified: tuple[CheckpointCard, ...]
    entries: tuple[FileEntry, ...]
    faults: Mapping[str, str] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """Steps of the newest usable checkpoint, 0 without one."""
        return self.verified[0].steps if self.verified else 0
