"""Reads the page for a command, writes it as a file, and says so."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.cli.output.console import Console
    from orchestrator.core.page.page import Page
    from orchestrator.stores.project import Project
    from orchestrator.wiring.page.answers import Answers


def page_command() -> str:
    """The command line of this call."""
    return shlex.join(["python", "-m", "orchestrator", *sys.argv[1:]])


def read_page(project: Project, target: str | None, answers: Answers | None = None, *, ask: bool = False) -> Page:
    """The page of what a word names, as it is now.

    Args:
        answers: See `page_of`.
        ask: Also look at sessions on other backends, and read their quotas.
    """
    from orchestrator.stores.system_clock import SystemClock
    from orchestrator.wiring.pages import page_of

    return page_of(project, target, command=page_command(), now=SystemClock().now(), ask=ask, answers=answers)


def written_page(page: Page, folder: Path, console: Console) -> list[Path]:
    """Write the page and name its file; without its libraries one line names the command that installs them."""
    from orchestrator.core.errors import BadInput
    from orchestrator.wiring.page.report import PAGE_NAME, write_page

    try:
        path = write_page(page, folder)
    except BadInput as fault:
        console.say(f"{PAGE_NAME} was not written: {fault}. {fault.remedy}")
        return []
    console.say(f"Wrote {path.as_posix()}", *(f"  Note: {note}" for note in page.notes))
    console.say(*(f"  Left out: {one}" for one in page.left_out))
    return [path]


def why_unwritten(fault: OSError, project: Project) -> str:
    """Why no files were written into a project that cannot be written.

    Raises:
        OSError: The reason is another one, such as a full disk.
    """
    from orchestrator.core.diagnostics.storage import storage_fault
    from orchestrator.kernel.files.storage import StorageTrouble, storage_trouble

    trouble = storage_trouble(fault)
    if trouble not in (StorageTrouble.READ_ONLY, StorageTrouble.DENIED):
        raise fault
    where = storage_fault(trouble, str(project.section_reports.parent))
    return f"No files were written ({where}): give --output FOLDER for them"
