"""`report`: learning curves, and statistics over seeds, of all trainings of a section."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.error_boundary import print_json
from orchestrator.cli.options import AsJson, Section

if TYPE_CHECKING:
    from orchestrator.core.reporting.seed_statistics import Statistic
    from orchestrator.core.reporting.training import Training

Folder = Annotated[
    Path | None, typer.Option("--output", help="Folder of the report; default: validation_output/reports/{section}.")
]


def report(section: Section, output: Folder = None, as_json: AsJson = False) -> int:
    """Write learning curves, a table over seeds, LaTeX and TensorBoard files of a section's trainings.

    In a project that cannot be written, the table is shown and the files are left out, unless --output names a folder.
    """
    from orchestrator.cli.output.console import Console
    from orchestrator.core.errors import BadInput
    from orchestrator.core.reporting.training_tables import text_lines
    from orchestrator.stores.project import find_project
    from orchestrator.stores.section.card_yaml import load_card
    from orchestrator.wiring.reports import section_trainings

    console = Console(sys.stderr if as_json else sys.stdout)
    console.begins(f"Reading the trainings of {section}")
    project = find_project()
    load_card(project.cards, section)  # so that a wrong name is refused with the nearest one
    trainings = section_trainings(project, section)
    if not trainings:
        raise BadInput(
            f"{section} has no training to report: no session has run yet",
            remedy=f"Train it first: python -m orchestrator run {section} --quick",
        )
    files, statistics, unwritten = _written(section, trainings, output, project.section_reports / section)
    console.say(*(f"Wrote {path.as_posix()}" for path in files), *([unwritten] if unwritten else []))
    console.say(*text_lines(trainings, statistics))
    if as_json:
        print_json(
            {
                "files": [path.as_posix() for path in files],
                **({"unwritten": unwritten} if unwritten else {}),
                "trainings": len(trainings),
                "proofs": {one.session: dict(one.proof) for one in trainings if one.proof},
                "adopted": {one.lineage_id: one.adopted for one in trainings if one.adopted},
                "statistics": [asdict(one) for one in statistics],
            }
        )
    return 0


def _written(
    section: str, trainings: Sequence[Training], output: Path | None, usual: Path
) -> tuple[list[Path], list[Statistic], str]:
    """Write the report; its files and statistics, and why there are no files in a project that cannot be written.

    Raises:
        BadInput: The folder holds files that no report wrote.
        OSError: The folder that the user named cannot be written, or the disk is full.
    """
    from orchestrator.core.diagnostics.storage import storage_fault
    from orchestrator.kernel.files.storage import StorageTrouble, storage_trouble
    from orchestrator.stores.reporting.folder import emptied_report
    from orchestrator.stores.reporting.training_report import seed_statistics, write_training_report

    command = shlex.join(["python", "-m", "orchestrator", *sys.argv[1:]])
    try:
        return *write_training_report(section, trainings, emptied_report(output or usual), command), ""
    except OSError as fault:
        trouble = storage_trouble(fault)
        if output is not None or trouble not in (StorageTrouble.READ_ONLY, StorageTrouble.DENIED):
            raise
        why = f"No files were written ({storage_fault(trouble, str(usual))}): give --output FOLDER for them"
        return [], seed_statistics(trainings), why
