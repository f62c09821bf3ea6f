"""Writes the page as `report.html` beside the other files of a report."""

from __future__ import annotations

from pathlib import Path

from orchestrator.core.page.page import Page
from orchestrator.kernel.files.atomic import write_bytes

PAGE_NAME = "report.html"


def write_page(page: Page, folder: Path) -> Path:
    """Write the page into a folder that exists.

    Raises:
        BadInput: A library of the page is not installed.
        OSError: The file cannot be written.
    """
    from orchestrator.page.document import TEMPLATES, html

    text = html(page, TEMPLATES)
    path = folder / PAGE_NAME
    # Names of files that are not UTF-8 are escaped: the page could not be opened otherwise.
    write_bytes(path, text.encode("utf-8", "backslashreplace"))
    return path
