"""The folder of a report: new files are complete before they replace those of an earlier report."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.core.errors import BadInput
from orchestrator.kernel.files.atomic import sync_tree

_MARK = ".campaign_report"
_NEW = ".new"


@contextmanager
def staged_report(folder: Path, others: Collection[str] = ()) -> Iterator[Path]:
    """An empty folder for the files of a new report, which replace all earlier files when the block ends.

    The earlier files stay as they are if the block fails or is killed.

    Args:
        folder: Must exist; of a report.
        others: Names in it that stay in any case.

    Raises:
        OSError: It cannot be written.
    """
    new = folder / _NEW
    _delete(new)  # of a report that was killed
    new.mkdir()
    try:
        yield new
        sync_tree(new)
        names = {path.name for path in new.iterdir()}
        for name in names:
            _replace(new / name, folder / name)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    remove_others(folder, {*names, *others})


def remove_others(folder: Path, names: Collection[str]) -> None:
    """Delete every file of an earlier report but those with these names.

    Raises:
        OSError: One cannot be deleted.
    """
    for path in earlier_files(folder):
        if path.name not in names:
            _delete(path)


def earlier_files(folder: Path) -> list[Path]:
    """The files and folders in the folder of a report, by name; empty if it does not exist."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.name not in (_MARK, _NEW))


def _replace(new: Path, old: Path) -> None:
    """Put a file or folder in the place of another one of the same name."""
    if new.is_dir() or (old.is_dir() and not old.is_symlink()):
        _delete(old)
    os.replace(new, old)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def marked_report(folder: Path) -> Path:
    """Mark the folder as a report's; the files of an earlier report stay.

    Raises:
        BadInput: It holds files but no mark, so the files are not a report's.
        OSError: It cannot be written.
    """
    mark = folder / _MARK
    if folder.exists() and any(folder.iterdir()) and not mark.is_file():
        raise BadInput(
            f"{folder} holds files that no report wrote",
            remedy="Give a new or empty folder with --output: the next report replaces everything in it.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    if not mark.is_file():
        mark.write_text("The next report replaces everything in this folder.\n", encoding="utf-8")
    return folder


def section_folder(folder: Path, section: str, sections: Collection[str]) -> Path:
    """Folder of a section's report: the folder itself, or one below it if the campaign has several sections.

    Args:
        sections: All sections of the campaign, unfinished ones too, so that a report keeps its folder.

    Raises:
        OSError: It cannot be written.
    """
    own = folder if len(sections) == 1 else folder / section
    own.mkdir(exist_ok=True)
    return own
