"""Expected size and digest of each output, from the manifest or from the checkpoint cards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from orchestrator.kernel.checkpoint.card import read_card
from orchestrator.kernel.session.manifest import Manifest, read_manifest
from orchestrator.kernel.wire import (
    BEST_MODEL_CARD,
    CARD_SUFFIX,
    CHECKPOINTS,
    MANIFEST_NAME,
    FileEntry,
    checkpoint_steps,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedFiles:
    """Expected files of an output folder.

    Attributes:
        entries: Path -> size and digest.
        unreadable: Path of a card that exists and cannot be read -> why.
    """

    entries: Mapping[str, FileEntry] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)


def manifest_in(folder: Path) -> tuple[Manifest | None, str]:
    """The manifest of a folder, and what is wrong with it; the text is empty if nothing is wrong."""
    try:
        return read_manifest(folder), ""
    except ValueError as fault:
        return None, str(fault)


def expected_by_manifest(manifest: Manifest) -> ExpectedFiles:
    """Every output that a manifest lists, except itself."""
    return ExpectedFiles(entries={entry.path: entry for entry in manifest.files if entry.path != MANIFEST_NAME})


def expected_by_cards(folder: Path, paths: Iterable[str]) -> ExpectedFiles:
    """What the checkpoint cards in a folder describe, for a session without a manifest.

    Args:
        paths: Paths of all listed outputs.
    """
    entries: dict[str, FileEntry] = {}
    unreadable: dict[str, str] = {}
    for path in sorted(filter(is_card, paths)):
        if not (folder / path).is_file():
            continue
        try:
            card = read_card(folder / path)
        except ValueError as fault:
            unreadable[path] = str(fault)
            continue
        beside = PurePosixPath(path).parent
        for described in card.files:
            if "/" in described.path or "\\" in described.path or described.path in ("", ".", ".."):
                continue  # not a plain name: the restore refuses the whole card
            place = (beside / described.path).as_posix()
            entries[place] = FileEntry(path=place, size_bytes=described.size_bytes, sha256=described.sha256)
    return ExpectedFiles(entries=entries, unreadable=unreadable)


def is_card(path: str) -> bool:
    """Whether a path is that of a checkpoint card or of the best model's card."""
    posix = PurePosixPath(path)
    if posix.suffix != CARD_SUFFIX:
        return False
    if posix.parent.name == CHECKPOINTS:
        return checkpoint_steps(posix.stem) is not None
    return posix.parts[-2:] == BEST_MODEL_CARD.parts
