"""Separates the files of sessions from the user's own files in a models directory.

A file belongs to a session if a card describes it byte for byte, or if a restore wrote it and it has not changed since.
Every other file is the user's own: it may be the only copy of their work, so it is never deleted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.checkpoint.normalization_file import normalization_path
from orchestrator.kernel.files.atomic import write_json
from orchestrator.kernel.files.digests import file_entry, first_fault
from orchestrator.kernel.reading.json_text import read_object
from orchestrator.kernel.wire import (
    BEST_MODEL_FILES,
    METADATA_NAME,
    FileEntry,
    final_model_name,
)
from orchestrator.stores.checkpoint.entries import (
    best_model_entries,
    describes,
    entries_from,
    entries_to_json,
    is_plain_file,
)
from orchestrator.stores.checkpoint.volumes import (
    ARCHIVE,
    INNER_ARCHIVE,
    PARTS,
    STAGING_PREFIX,
    free_name,
    is_apart,
    move,
)

INVENTORY = "restored_files.json"
"""Beside the models directory: the files that restores wrote and no card describes."""

_TIME_STEP_NS = 2_500_000_000
"""File systems keep times in steps, FAT of 2 s: two writes within one step leave the same time."""


def names_beside(scenario: str) -> tuple[str, ...]:
    """Files that a training writes besides its checkpoints."""
    best = (name.as_posix() for name in BEST_MODEL_FILES)
    return (*best, METADATA_NAME, *final_names(scenario))


def final_names(scenario: str) -> tuple[str, ...]:
    """The final model and its normalization statistics; no session starts from them."""
    model = Path(final_model_name(scenario))
    return (model.name, normalization_path(model).name)


def files_below(models: Path) -> Iterator[str]:
    """Relative POSIX paths of all files and links of a models directory, sorted; archives and staging left out.

    Linked folders that the program writes to are entered. Any other link is the user's own and is listed itself.
    """
    yield from _walk(models, "")


def signature_of(models: Path) -> object:
    """Names, sizes and times of all files: equal signatures mean equal files.

    None if a file was written so recently that another write could leave its time as it is.
    """
    if not models.is_dir():
        return "absent"
    now_ns, signature = time.time_ns(), []
    for name in files_below(models):
        path = models / name
        try:
            stat = path.stat() if path.exists() else path.lstat()
        except OSError:
            return None  # removed at this moment, or not readable
        if max(stat.st_mtime_ns, stat.st_ctime_ns) > now_ns - _TIME_STEP_NS:
            return None
        signature.append((name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino))
    return tuple(signature)


def _walk(models: Path, folder: str) -> Iterator[str]:
    hidden = folder in ("", *PARTS) and is_apart(models, folder)
    try:
        with os.scandir(models / folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    except OSError:
        yield folder  # it cannot be read, so its name is listed instead
        return
    for entry in entries:
        if hidden and (entry.name == INNER_ARCHIVE or entry.name.startswith(STAGING_PREFIX)):
            continue
        relative = f"{folder}/{entry.name}" if folder else entry.name
        if entry.is_dir(follow_symlinks=False) or (relative in PARTS and entry.is_dir()):
            yield from _walk(models, relative)
        else:
            yield relative


def entries_beside(models: Path, scenario: str, cards: tuple[CheckpointCard, ...]) -> tuple[FileEntry, ...]:
    """Best model, metadata and final model, each only if it belongs to a session."""
    known = {entry.path: entry for entry in read_inventory(models) if is_plain_file(models / entry.path)}
    found = {entry.path: entry for entry in best_model_entries(models)}
    for name in names_beside(scenario):
        if name in known and name not in found and first_fault((known[name],), models) is None:
            found[name] = known[name]
    metadata = models / METADATA_NAME
    if METADATA_NAME not in found and is_plain_file(metadata) and describes(metadata, cards):
        found[METADATA_NAME] = file_entry(metadata, models)
    return tuple(found.values())


def read_inventory(models: Path) -> tuple[FileEntry, ...]:
    """The files that restores wrote beside the checkpoints; empty if that is unknown."""
    try:
        return _inventory(models)
    except ValueError:
        return ()  # absent or damaged: then every such file counts as the user's own


def write_inventory(models: Path, placed: tuple[FileEntry, ...], scenario: str) -> None:
    """Record the files that this restore and earlier ones wrote beside the checkpoints and that still exist."""
    names = names_beside(scenario)
    entries = {entry.path: entry for entry in (*read_inventory(models), *placed) if entry.path in names}
    kept = [entry for entry in entries.values() if is_plain_file(models / entry.path)]
    if os.path.lexists(models.parent / INVENTORY):
        try:
            _inventory(models)
        except ValueError:
            # This program did not write that file, so it is kept.
            move(models.parent / INVENTORY, free_name(models.parent / ARCHIVE / INVENTORY))
    write_json(models.parent / INVENTORY, {"files": entries_to_json(kept)})


def _inventory(models: Path) -> tuple[FileEntry, ...]:
    path = models.parent / INVENTORY
    if not is_plain_file(path):
        raise ValueError(f"{path.name} is not a file")
    return entries_from(read_object(path), path.name)
