"""`report`: the page of a training, a section, a campaign or the project; of a section also tables over seeds."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.error_boundary import print_json
from orchestrator.cli.options import AsJson
from orchestrator.cli.output.page_file import page_command, read_page, why_unwritten, written_page

if TYPE_CHECKING:
    from orchestrator.cli.output.console import Console
    from orchestrator.core.errors import BadInput
    from orchestrator.core.page.page import Page
    from orchestrator.stores.project import Project

_Target = Annotated[
    str | None,
    typer.Argument(
        metavar="[TARGET]",
        help="Section, campaign (name or file), run, session, lineage id or its beginning, label of a trial, "
        "script without a project (train.py); default: everything in this project.",
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option("--output", help="Folder of the report; default: below validation_output/reports or /campaigns."),
]

Ask = Annotated[
    bool, typer.Option("--ask", help="Also look once at each session in flight on Kaggle, and read the weekly quota.")
]


def report(target: _Target = None, output: Folder = None, ask: Ask = False, as_json: AsJson = False) -> int:
    """Write the page report.html; of a section also curves, a table over seeds, LaTeX and TensorBoard files.

    The page opens without a network: answer, curves with seams, sessions, trainings, what failed and why. In a project
    that cannot be written, the tables of a section are shown and the files are left out, unless --output names a
    folder.
    """
    from orchestrator.cli.output.console import Console
    from orchestrator.core.page.page import Subject
    from orchestrator.stores.project import find_project
    from orchestrator.wiring.pages import found_target

    console = Console(sys.stderr if as_json else sys.stdout)
    console.begins(f"Reading the trainings of {target or 'this project'}")
    project = find_project()
    script = script_folder(project, target)
    found = found_target(project, target) if script is None else None
    if script is not None and target is not None:
        shown = _page_of_script(script, target, output, console)
    elif found is not None and found.subject is Subject.SECTION:
        from orchestrator.cli.commands.section_report import section_report

        shown = section_report(project, found.name, output, console, ask=ask)
    else:
        shown = _page_alone(project, target, output, console, ask=ask)
    if as_json:
        print_json(shown)
    return 0


def script_folder(project: Project, target: str | None) -> Path | None:
    """Folder of the training of a script that ran without a project; None if the word names no such script."""
    from orchestrator.stores.section.card_yaml import card_names
    from orchestrator.wiring.alone_page import alone_folder

    return None if target is None or target in card_names(project.cards) else alone_folder(target, Path.cwd())


def _page_of_script(folder: Path, target: str, output: Path | None, console: Console) -> dict[str, Any]:
    """The page of a script that ran without a project, beside its checkpoints.

    Raises:
        BadInput: The folder that the user named holds files that no report wrote.
    """
    from orchestrator.stores.reporting.folder import marked_report
    from orchestrator.stores.system_clock import SystemClock
    from orchestrator.wiring.alone_page import alone_page

    path = Path(target)
    script = path if path.is_file() else None
    page = alone_page(folder, script=script, command=page_command(), now=SystemClock().now())
    return _shown(page, written_page(page, folder if output is None else marked_report(output), console), "", console)


def _page_alone(
    project: Project, target: str | None, output: Path | None, console: Console, *, ask: bool
) -> dict[str, Any]:
    """The page without tables: of a run, a campaign or the project."""
    from orchestrator.stores.reporting.folder import marked_report
    from orchestrator.wiring.pages import folder_of, found_target

    page = read_page(project, target, ask=ask)
    if not page.trainings:
        raise _nothing_to_report(project)
    files, unwritten = [], ""
    try:
        folder = marked_report(output or folder_of(project, found_target(project, target)))
        files = written_page(page, folder, console)
    except OSError as fault:
        if output is not None:
            raise
        unwritten = why_unwritten(fault, project)
        console.say(unwritten)
    return _shown(page, files, unwritten, console)


def _nothing_to_report(project: Project) -> BadInput:
    """The error of a ledger without a training: nothing has run, or the ledger was moved away."""
    from orchestrator.core.errors import BadInput

    folders = sum(1 for path in project.results.iterdir() if path.is_dir()) if project.results.is_dir() else 0
    if not folders:
        return BadInput(
            "there is no training to report: no session has run yet",
            remedy="Train first: python -m orchestrator run SECTION --quick",
        )
    return BadInput(
        f"there is no training to report: the ledger has no session, but {folders} results folder(s) are here",
        remedy="Put .orchestrator/ledger.sqlite back, or let `campaign tick FILE --recover` find what Kaggle has.",
    )


def _shown(page: Page, files: list[Path], unwritten: str, console: Console) -> dict[str, Any]:
    """Show the answer; the object for `--json`."""
    console.say(page.headline.text, *(f"  {line}" for line in page.headline.lines))
    return {
        "files": [path.as_posix() for path in files],
        **({"unwritten": unwritten} if unwritten else {}),
        "trainings": len(page.trainings),
        "headline": asdict(page.headline),
        "notes": list(page.notes),
        "left_out": list(page.left_out),
    }
