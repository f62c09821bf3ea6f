"""Finishes a change of the models directory that was interrupted, and sets invalid journals aside."""

from __future__ import annotations

import os
from pathlib import Path

from orchestrator.kernel.checkpoint.survey import survey_checkpoints
from orchestrator.kernel.files.digests import file_entry
from orchestrator.kernel.wire import FileEntry
from orchestrator.stores.checkpoint.atomic_swap import JOURNAL, archive_staging, begin, finish
from orchestrator.stores.checkpoint.entries import checkpoint_entries, is_plain_file
from orchestrator.stores.checkpoint.own_files import entries_beside
from orchestrator.stores.checkpoint.restore_journal import FRESH, RESTORE, STAGE, Change, EarlierSwap, read_journal
from orchestrator.stores.checkpoint.volumes import ARCHIVE, PARTS, STAGING_PREFIX, free_name, move, volumes

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
