"""Replaces the files of a models directory by moves under a journal; may be killed at any step.

No system replaces several files in one step. Every new file is first copied beside its place and verified, then the
journal is written. From then on `finish` can see which steps were done, and does the others. No file is overwritten:
one at the place of a new file is moved to the archive.
"""

from __future__ import annotations

import os
from pathlib import Path

from orchestrator.kernel.files.atomic import sync_folder, write_json
from orchestrator.kernel.wire import CARD_SUFFIX, FileEntry
from orchestrator.stores.checkpoint.archives import move_to_archive, remove_empty, write_replaced
from orchestrator.stores.checkpoint.own_files import write_inventory
from orchestrator.stores.checkpoint.restore_journal import FRESH, STAGE, Change
from orchestrator.stores.checkpoint.volumes import (
    PARTS,
    STAGING_PREFIX,
    Volume,
    free_name,
    is_apart,
    move,
    volume_of,
    volumes,
)

JOURNAL = "restore_journal.json"


def begin(models: Path, change: Change) -> None:
    """Write the journal of a change."""
    write_json(models.parent / JOURNAL, change.to_json())


def finish(models: Path, change: Change, scenario: str) -> None:
    """Complete a change. Repeatable after a kill at any step."""
    if change.act == FRESH:
        _archive_everything(models, change.folder)
    elif change.act != STAGE:
        if change.retire:
            write_replaced(models, change.folder, change.retire)
        for entry in sorted(change.place, key=lambda entry: entry.path.endswith(CARD_SUFFIX)):  # cards last
            _put_in_place(models, entry, change.folder)
        placed = {entry.path for entry in change.place}
        for entry in change.retire:
            if entry.path not in placed:
                move_to_archive(models, entry.path, change.folder)
        write_inventory(models, change.place, scenario)
    for part in ("", *PARTS):
        if (models / part).is_dir():
            sync_folder(models / part)
    discard_staged(models, change)
    (models.parent / JOURNAL).unlink()


def discard_staged(models: Path, change: Change) -> None:
    """Remove the staged copies of a change, and staging folders that are then empty."""
    for entry in change.place:
        staged = _staged(models, entry, change.folder)
        if os.path.lexists(staged):
            staged.unlink()
    for volume in volumes(models):
        remove_empty(volume.staged(change.folder, ""))


def archive_staging(volume: Volume, archive: Path) -> list[Path]:
    """Move staging folders without a journal into a folder of the archive; returns their new paths."""
    kept = []
    for folder in sorted(volume.root.glob(f"{STAGING_PREFIX}*")) if volume.root.is_dir() else ():
        destination = free_name(archive / folder.name.removeprefix("."))
        move(folder, destination)
        kept.append(destination)
    return kept


def _put_in_place(models: Path, entry: FileEntry, folder: str) -> None:
    staged = _staged(models, entry, folder)
    if not os.path.lexists(staged):
        return  # already in place
    part = entry.path.rpartition("/")[0]
    if part and not (models / part).is_dir():
        move_to_archive(models, part, folder)  # in case it is a file
    move_to_archive(models, entry.path, folder)
    move(staged, models / entry.path)


def _staged(models: Path, entry: FileEntry, folder: str) -> Path:
    """Path of a staged file: on its own volume, or beside the models directory, where version 1 staged it."""
    staged = volume_of(models, entry.path).staged(folder, entry.path)
    beside = models.parent / f"{STAGING_PREFIX}{folder}" / entry.path
    return staged if os.path.lexists(staged) or not os.path.lexists(beside) else beside


def _archive_everything(models: Path, folder: str) -> None:
    """Move every entry of a models directory to the archive; linked or mounted folders stay and are emptied."""
    if not models.is_dir():
        return
    for name in sorted(os.listdir(models)):  # noqa: PTH208 names are needed, in any encoding
        if is_apart(models) and (name.startswith(STAGING_PREFIX) or models / name == volume_of(models, "any").archives):
            continue
        if name in PARTS and is_apart(models, name):
            _archive_part(models, name, folder)
        else:
            move_to_archive(models, name, folder)
    for part in PARTS:
        if (models / part).is_symlink() and not (models / part).exists():
            Path(os.path.realpath(models / part)).mkdir(parents=True)  # its target lay in here and was moved too


def _archive_part(models: Path, part: str, folder: str) -> None:
    archives = volume_of(models, f"{part}/any").archives
    for name in sorted(os.listdir(models / part)):  # noqa: PTH208
        if not name.startswith(STAGING_PREFIX) and models / part / name != archives:
            move_to_archive(models, f"{part}/{name}", folder)
