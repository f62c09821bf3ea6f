"""Save: write a checkpoint completely or not at all, then delete the older ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestrator.kernel.checkpoint.card import Ancestor, CheckpointCard, card_fault, name_fault, read_card
from orchestrator.kernel.checkpoint.resume_grade import EXACT
from orchestrator.kernel.files.atomic import make_folder, sync_folder, write_atomically, write_json
from orchestrator.kernel.files.digests import file_entry, first_fault
from orchestrator.kernel.wire import CARD_SUFFIX, CHECKPOINTS, FileEntry, checkpoint_stem

KEPT_CHECKPOINTS = 2
SET_ASIDE = "set_aside"
"""Folder beside the checkpoints; files of other origin are moved there if they have a name that a save needs."""


def save_checkpoint(
    models_dir: Path,
    *,
    scenario: str,
    steps: int,
    writers: Mapping[str, Callable[[Path], None]],
    identity: Mapping[str, Any],
    stamp: Mapping[str, Any],
    parent: CheckpointCard | None,
    now: datetime,
    continued: str = EXACT,
    proof: Mapping[str, Any] | None = None,
) -> CheckpointCard:
    """Write one checkpoint: its files first, its card last.

    A kill before the card leaves files without a card, which no reader accepts; a kill after it leaves a
    complete checkpoint. Older checkpoints are removed only then. A file that already has one of the names, and that
    no card describes, may be the user's own: it is first moved into the folder `set_aside`.

    Args:
        models_dir: The models directory; files go to its `checkpoints` folder.
        scenario: Scenario name, part of the stem.
        steps: Environment steps done.
        writers: File suffix (`.zip`, `.state.npz` ...) -> function that writes that file to a given path.
        identity: What a later session compares before it resumes.
        stamp: `Ticket.stamp()` of this session.
        parent: The checkpoint that this one continues, None at the beginning of a lineage.
        now: Time of the save, aware UTC.
        continued: Grade of the resume from the parent.
        proof: Facts of a proof that this code resumes exactly, None without one.

    Returns:
        The committed card.

    Raises:
        OSError: A file cannot be written; earlier checkpoints are untouched.
    """
    folder = models_dir / CHECKPOINTS
    stem = checkpoint_stem(scenario, steps)
    _set_aside(folder, stem, writers)
    _write_files(folder, stem, writers)
    ancestry: tuple[Ancestor, ...] = ()
    if parent:
        ancestry = (*parent.ancestry, Ancestor(steps=parent.steps, digest=parent.digest, continued=continued))
    card = CheckpointCard(
        stem=stem,
        scenario=scenario,
        steps=steps,
        files=tuple(file_entry(folder / (stem + suffix), folder) for suffix in writers),
        identity=dict(identity),
        stamp=dict(stamp),
        saved_at=now.isoformat(),
        ancestry=ancestry,
        proof=proof,
        adopted=parent.adopted if parent else None,
    )
    write_json(folder / card.name, card.to_json())
    rotate(folder, scenario)
    return card


def _write_files(folder: Path, stem: str, writers: Mapping[str, Callable[[Path], None]]) -> None:
    """Write all files of a checkpoint; after an error, remove those already written."""
    written: list[Path] = []
    try:
        for suffix, write in writers.items():
            write_atomically(folder / (stem + suffix), write)
            written.append(folder / (stem + suffix))
    except Exception:
        for path in written:
            path.unlink(missing_ok=True)
        raise


def _set_aside(folder: Path, stem: str, suffixes: Iterable[str]) -> None:
    """Move files with the names of a new checkpoint away, unless they are a verified checkpoint of that name."""
    paths = [folder / (stem + suffix) for suffix in (*suffixes, CARD_SUFFIX)]
    there = [path for path in paths if path.is_symlink() or path.exists()]
    card = _readable(folder / (stem + CARD_SUFFIX))
    if not there or (card is not None and card_fault(card, folder) is None):
        return
    aside = folder / SET_ASIDE
    make_folder(aside)
    for path in there:
        path.rename(_unused(aside / path.name))
    sync_folder(aside)


def _unused(path: Path) -> Path:
    number, free = 1, path
    while free.is_symlink() or free.exists():
        number += 1
        free = path.with_name(f"{path.name}.{number}")
    return free


def rotate(folder: Path, scenario: str, keep: int = KEPT_CHECKPOINTS) -> tuple[str, ...]:
    """Delete all but the newest `keep` checkpoints of a scenario.

    Newest means most steps. Only files that match a card byte for byte are deleted: any other file may be the only
    copy of a user's work. The files are deleted first and their card last, so that after a kill half-way the next
    rotation can finish.

    Returns:
        Stems removed.
    """
    cards = [card for path in folder.glob("*" + CARD_SUFFIX) if (card := _readable(path)) is not None]
    ours = sorted((card for card in cards if _is_of(card, scenario)), key=lambda card: card.steps, reverse=True)
    whole = [card for card in ours if all(_has_size(folder / entry.path, entry) for entry in card.files)]
    if len(whole) <= keep:
        return ()
    floor_steps = whole[keep - 1].steps
    older = (card for card in reversed(ours) if card.steps < floor_steps)
    return tuple(card.stem for card in older if _remove(folder, card))


def _remove(folder: Path, card: CheckpointCard) -> bool:
    """Delete a checkpoint, unless one of its files does not match the card; returns whether it was deleted."""
    there = [entry for entry in card.files if (path := folder / entry.path).is_symlink() or path.exists()]
    if any((folder / entry.path).is_symlink() for entry in there) or first_fault(there, folder) is not None:
        return False
    for entry in there:
        (folder / entry.path).unlink()
    (folder / card.name).unlink()
    return True


def _is_of(card: CheckpointCard, scenario: str) -> bool:
    in_its_folder = all(name_fault(entry.path, card.stem) is None for entry in card.files)
    return card.files != () and in_its_folder and card.stem == checkpoint_stem(scenario, card.steps)


def _has_size(path: Path, entry: FileEntry) -> bool:
    return path.is_file() and path.stat().st_size == entry.size_bytes


def _readable(path: Path) -> CheckpointCard | None:
    """The card in a file, None if there is none or it cannot be read: then nothing is deleted because of it."""
    try:
        return read_card(path)
    except ValueError:
        return None
