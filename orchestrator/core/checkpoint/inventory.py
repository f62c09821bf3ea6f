"""The models directory as values: what is there, and what a session brought for it."""

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
        verified: Cards whose files agree byte for byte, newest first.
        faults: Checkpoint stem -> why it is not usable.
        leftovers: What a training leaves beside its checkpoints (best model, metadata, final model), relative POSIX
            paths.
        entries: Every file that a session would start from, with digest.
        own: Files that no card names byte for byte and no restore wrote: the user's own, relative POSIX paths.
        archived: Files that were put aside and are kept for good.
        exists: Whether the directory itself is there, with or without files.
        signature: Names, sizes and times of its files, None where these could not show every later change.
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
        """Where a run starts from."""
        return self.verified[0] if self.verified else None

    @property
    def steps(self) -> int:
        """Steps of the latest checkpoint, 0 at a beginning."""
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
    """What a session brought for the models directory.

    Attributes:
        root: The models directory inside the results folder.
        verified: Cards of this session whose files agree, newest first.
        faults: What was refused, and why.
        entries: Files to put in place, with digest, relative to `root`.
    """

    root: Path
    verified: tuple[CheckpointCard, ...]
    entries: tuple[FileEntry, ...]
    faults: Mapping[str, str] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """Steps of the newest usable checkpoint, 0 without one."""
        return self.verified[0].steps if self.verified else 0
