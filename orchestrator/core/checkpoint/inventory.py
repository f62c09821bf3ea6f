"""The content of a models directory: checkpoints, those that a session made for it, and files that are not ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.core.checkpoint.log_messages import TAG
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


SHOWN_FILES = 50
OWN_FILES_ADVICE = (
    "No card describes them, so no run resumes from them. To use such a model, load it in a script of your own; "
    "`run ... --fresh` moves them to the archive."
)


def shown_name(name: str) -> str:
    """A file name as one printable line, whatever its bytes are."""
    return name if name.isprintable() else ascii(name)[1:-1]


def named(names: Sequence[str]) -> tuple[str, ...]:
    """One line for each file; a long list is cut and ends with the number of the rest."""
    lines = [f"  - {shown_name(name)}" for name in names[:SHOWN_FILES]]
    if len(names) > SHOWN_FILES:
        lines.append(f"  - and {len(names) - SHOWN_FILES} more (`status --json` lists all)")
    return tuple(lines)


def own_files(names: Sequence[str], root: str) -> tuple[str, ...]:
    """What a run prints about own files in place; empty without any."""
    if not names:
        return ()
    return (
        f"{TAG} {len(names)} file(s) of your own in {shown_name(root)} are kept and not used for training:",
        *(f"{TAG} {line}" for line in named(names)),
        f"{TAG} {OWN_FILES_ADVICE}",
    )


def archived_too(names: Sequence[str]) -> tuple[str, ...]:
    """What is printed about own files that were archived with the rest; empty without any."""
    if not names:
        return ()
    return (f"{TAG} {len(names)} of them are files of your own:", *(f"{TAG} {line}" for line in named(names)))


def in_the_way(paths: Sequence[str]) -> tuple[str, ...]:
    """What a restore prints about own files that had the name of a restored one; empty without any."""
    if not paths:
        return ()
    return (
        f"{TAG} {len(paths)} file(s) of your own had the name of a new one, and were moved to the archive:",
        *(f"{TAG} {line}" for line in named(paths)),
    )
