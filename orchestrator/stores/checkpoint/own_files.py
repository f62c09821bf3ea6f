"""Which files of a models directory are accounted for, and which are the user's own.

Accounted for is what a card names byte for byte, and what a restore wrote and nobody changed since. Everything else is
the user's own: it may be the only copy of somebody's work, so no writer deletes it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from orchestrator.kernel.checkpoint.card import CheckpointCard, card_fault, read_card
from orchestrator.kernel.checkpoint.card_shape import read_object
from orchestrator.kernel.checkpoint.normalization_file import normalization_path
from orchestrator.kernel.files.atomic import write_json
from orchestrator.kernel.files.digests import file_entry, first_fault
from orchestrator.kernel.wire import (
    BEST_MODEL_CARD,
    BEST_MODEL_FILES,
    CARD_SUFFIX,
    CHECKPOINTS,
    METADATA_NAME,
    FileEntry,
    final_model_name,
)
from orchestrator.stores.checkpoint.entries import entries_from, entries_to_json
from orchestrator.stores.checkpoint.volumes import (
    ARCHIVE,
    INNER_ARCHIVE,
    PARTS,
    STAGING_PREFIX,
    free_name,
    is_apart,
    move,
    there,
)

INVENTORY = "restored_files.json"
"""Beside the models directory: what the last restores wrote there that no card names."""


def names_beside(scenario: str) -> tuple[str, ...]:
    """Files beside the checkpoints that a training writes."""
    best = (name.as_posix() for name in BEST_MODEL_FILES)
    return (*best, METADATA_NAME, *final_names(scenario))


def final_names(scenario: str) -> tuple[str, ...]:
    """The final model and its statistics: results that no session starts from."""
    model = Path(final_model_name(scenario))
    return (model.name, normalization_path(model).name)


def files_below(models: Path) -> Iterator[str]:
    """Every file and link of a models directory, relative POSIX paths in order; archives and staging left out.

    A linked folder that the program writes to is entered. Any other link is the user's own and is named itself.
    """
    yield from _walk(models, "")


def _walk(models: Path, folder: str) -> Iterator[str]:
    hidden = folder in ("", *PARTS) and is_apart(models, folder)
    try:
        with os.scandir(models / folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    except OSError:
        yield folder  # it cannot be looked into, so that at least its name is told
        return
    for entry in entries:
        if hidden and (entry.name == INNER_ARCHIVE or entry.name.startswith(STAGING_PREFIX)):
            continue
        relative = f"{folder}/{entry.name}" if folder else entry.name
        if entry.is_dir(follow_symlinks=False) or (relative in PARTS and entry.is_dir()):
            yield from _walk(models, relative)
        else:
            yield relative


def is_plain_file(path: Path) -> bool:
    """Whether it is a regular file itself, and not a link to one."""
    return path.is_file() and not path.is_symlink()


def checkpoint_entries(models: Path, cards: tuple[CheckpointCard, ...]) -> Iterator[FileEntry]:
    """Files of verified checkpoints, as their cards describe them, and the cards."""
    for card in cards:
        for described in card.files:
            path = f"{CHECKPOINTS}/{described.path}"
            yield FileEntry(path=path, size_bytes=described.size_bytes, sha256=described.sha256)
        yield file_entry(models / CHECKPOINTS / (card.stem + CARD_SUFFIX), models)


def entries_beside(models: Path, scenario: str, cards: tuple[CheckpointCard, ...]) -> tuple[FileEntry, ...]:
    """Best model, metadata and final model, each only if it is accounted for."""
    known = {entry.path: entry for entry in read_inventory(models) if is_plain_file(models / entry.path)}
    found = {entry.path: entry for entry in _best_entries(models)}
    for name in names_beside(scenario):
        if name in known and name not in found and first_fault((known[name],), models) is None:
            found[name] = known[name]
    metadata = models / METADATA_NAME
    if METADATA_NAME not in found and is_plain_file(metadata) and _describes(metadata, cards):
        found[METADATA_NAME] = file_entry(metadata, models)
    return tuple(found.values())


def read_inventory(models: Path) -> tuple[FileEntry, ...]:
    """What the last restores wrote beside the checkpoints; nothing where that is not known."""
    try:
        return _inventory(models)
    except ValueError:
        return ()  # absent or damaged: then nothing is known to be ours, and nothing is deleted for it


def write_inventory(models: Path, placed: tuple[FileEntry, ...], scenario: str) -> None:
    """Remember what a restore wrote beside the checkpoints, and what earlier ones wrote and is still there."""
    names = names_beside(scenario)
    entries = {entry.path: entry for entry in (*read_inventory(models), *placed) if entry.path in names}
    kept = [entry for entry in entries.values() if is_plain_file(models / entry.path)]
    if there(models.parent / INVENTORY):
        try:
            _inventory(models)
        except ValueError:
            move(models.parent / INVENTORY, free_name(models.parent / ARCHIVE / INVENTORY))  # it is none of ours
    write_json(models.parent / INVENTORY, {"files": entries_to_json(kept)})


def _inventory(models: Path) -> tuple[FileEntry, ...]:
    path = models.parent / INVENTORY
    if not is_plain_file(path):
        raise ValueError(f"{path.name} is not a file")
    return entries_from(read_object(path).get("files"))


def _best_entries(models: Path) -> Iterator[FileEntry]:
    path = models / BEST_MODEL_CARD
    if not is_plain_file(path):
        return
    try:
        card = read_card(path)
    except ValueError:
        return  # it commits nothing
    if card_fault(card, path.parent) is None:
        folder = BEST_MODEL_CARD.parent.as_posix()
        for entry in card.files:
            yield FileEntry(path=f"{folder}/{entry.path}", size_bytes=entry.size_bytes, sha256=entry.sha256)
        yield file_entry(path, models)


def _describes(metadata: Path, cards: tuple[CheckpointCard, ...]) -> bool:
    try:
        stated = read_object(metadata).get("latest_checkpoint_digest")
    except ValueError:
        return False
    return isinstance(stated, str) and stated in {card.digest for card in cards}
