"""The folder of a campaign's report: what an earlier report wrote there must not stand beside what this one writes."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

from orchestrator.core.errors import BadInput

_MARK = ".campaign_report"


def emptied_report(folder: Path) -> Path:
    """The folder, empty but for its mark.

    Raises:
        BadInput: It holds files and no report was ever written there: they are somebody's.
        OSError: The disk refused.
    """
    mark = folder / _MARK
    if folder.exists() and any(folder.iterdir()):
        if not mark.is_file():
            raise BadInput(
                f"{folder} holds files that are no report's",
                remedy="Name a new or empty folder with --output: what is in it is replaced by the next report.",
            )
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path != mark:
                path.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    mark.write_text("What is in this folder is replaced by the next report.\n", encoding="utf-8")
    return folder


def section_folder(folder: Path, section: str, sections: Collection[str]) -> Path:
    """Where a section's report goes: the folder itself, or one below it where the campaign has several sections.

    Args:
        sections: All of the campaign, also those of which nothing is finished yet: a report stays where it is.

    Raises:
        OSError: The disk refused.
    """
    own = folder if len(sections) == 1 else folder / section
    own.mkdir(exist_ok=True)
    return own
