"""Replaces the files of a models directory by moves under a journal; may be killed at any step.

No system replaces several files in one step. Every new file is first copied beside its place and verified, then the
journal is written. From then on `finish` can see which steps were done, and does the others. No file is overwritten:
one at the place of a new file is moved to the archive.
"""

from __future__ import annotations

import os
from pathlib import Path

from orchestrator.kernel.checkpoint.survey import survey_checkpoints
from orchestrator.kernel.files.atomic import sync_folder, write_json
from orchestrator.kernel.files.digests import file_entry
from orchestrator.kernel.wire import CARD_SUFFIX, FileEntry
from orchestrator.stores.checkpoint.archives import move_to_archive, remove_empty, write_replaced
from orchestrator.stores.checkpoint.entries import checkpoint_entries, is_plain_file
from orchestrator.stores.checkpoint.own_files import entries_beside, write_inventory
from orchestrator.stores.checkpoint.restore_journal import FRESH, RESTORE, STAGE, Change, EarlierSwap, read_journal
from orchestrator.stores.checkpoint.volumes import (
    ARCHIVE,
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
    sync_folder(models.parent)


def sync_staged(models: Path, change: Change) -> None:
    """Flush the names of the staged copies: a journal that is followed means that they are there."""
    for folder in {_staged(models, entry, change.folder).parent for entry in change.place}:
        sync_folder(folder)


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
    for name in sorted(os.listdir(models / part)):  # noqa: PTH208  # names are needed, in any encoding
        if not name.startswith(STAGING_PREFIX) and models / part / name != archives:
            move_to_archive(models, f"{part}/{name}", folder)


_DONE = {
    STAGE: None,  # nothing was in place yet, and the session's results still hold every file
    RESTORE: "finished an interrupted restore",
    FRESH: "finished moving everything to the archive for a fresh start that was interrupted",
}


def recover_swap(models: Path, scenario: str) -> str | None:
    """Finish an interrupted change; move to the archive what cannot be finished.

    Returns:
        What was done, None if there is nothing to report.
    """
    journal = models.parent / JOURNAL
    done: list[str] = []
    if os.path.lexists(journal):
        try:
            change = read_journal(journal, models.name)
        except ValueError as fault:
            done.append(_archive_journal(models, journal, str(fault)))
        else:
            done += _finished(models, change, scenario)
    kept = [path for volume in volumes(models) for path in archive_staging(volume, volume.archives)]
    done += [f"moved an unfinished copy of an earlier version to the archive: {path}" for path in kept]
    return "; ".join(done) or None


def _finished(models: Path, change: Change | EarlierSwap, scenario: str) -> list[str]:
    if isinstance(change, EarlierSwap):
        staged = models.parent / change.staged
        if not staged.is_dir():
            (models.parent / JOURNAL).unlink()
            return ["an interrupted restore had already put its files in place"]
        change = _taken_over(models, change, scenario)
        begin(models, change)
    finish(models, change, scenario)
    done = _DONE[change.act]
    return [] if done is None else [done]


def _taken_over(models: Path, swap: EarlierSwap, scenario: str) -> Change:
    """A version 1 restore as a change of version 2: the files that it had staged beside the models directory."""
    staged, archived = models.parent / swap.staged, models.parent / ARCHIVE / swap.archive
    if archived.is_symlink() and not os.path.lexists(models):
        move(archived, models)  # the models directory was a link, so it is moved back
    places = [path for place in ("", *PARTS) for path in sorted((staged / place).glob("*")) if is_plain_file(path)]
    place = tuple(file_entry(path, staged) for path in places)
    folder = swap.staged.removeprefix(STAGING_PREFIX)
    return Change(act=RESTORE, folder=folder, place=place, retire=tuple(_replaced_by(models, place, scenario)))


def _replaced_by(models: Path, place: tuple[FileEntry, ...], scenario: str) -> list[FileEntry]:
    verified = survey_checkpoints(models, scenario).verified
    ours = (*checkpoint_entries(models, verified), *entries_beside(models, scenario, verified))
    incoming_files = {(entry.path, entry.sha256) for entry in place}
    return [entry for entry in ours if (entry.path, entry.sha256) not in incoming_files]


def _archive_journal(models: Path, journal: Path, fault: str) -> str:
    """Keep an invalid journal and everything staged in the archive, where the user can look at it."""
    folder = free_name(models.parent / ARCHIVE / "rejected-journal")
    move(journal, folder / journal.name)
    for volume in volumes(models):
        archive_staging(volume, volume.archives if volume.apart else folder)
    return f"{journal} was not followed ({fault}); it was moved to {folder}, with what was staged"
