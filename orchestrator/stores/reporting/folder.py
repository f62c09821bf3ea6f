"""The folder of a campaign's report, emptied of an earlier report."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.core.errors import BadInput

_MARK = ".campaign_report"
_EARLIER = ".earlier"


def emptied_report(folder: Path) -> Path:
    """Empty the folder and mark it as a report's.

    Raises:
        BadInput: It holds files but no mark, so the files are not a report's.
        OSError: It cannot be written.
    """
    marked_report(folder)
    for path in folder.iterdir():
        if path.name != _MARK:
            _delete(path)
    return folder


@contextmanager
def replaced_report(folder: Path) -> Iterator[Path]:
    """An empty folder for a new report; the earlier one comes back if the block fails.

    Raises:
        BadInput: It holds files but no mark, so the files are not a report's.
        OSError: It cannot be written.
    """
    marked_report(folder)
    aside = folder / _EARLIER
    if aside.is_dir():  # of a report that was killed
        _move(aside, folder)
    aside.mkdir()
    try:
        for path in _entries(folder):
            path.rename(aside / path.name)
        yield folder
    except BaseException:
        _move(aside, folder)
        raise
    shutil.rmtree(aside)


def _move(aside: Path, folder: Path) -> None:
    """Put the earlier files back; those of the new report with the same names are deleted."""
    for path in list(aside.iterdir()):
        _delete(folder / path.name)
        path.rename(folder / path.name)
    aside.rmdir()


def _entries(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name not in (_MARK, _EARLIER)]


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
