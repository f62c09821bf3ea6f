"""`report`: learning curves, and statistics over seeds, of all trainings of a section."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.error_boundary import print_json
from orchestrator.cli.options import AsJson, Section

Folder = Annotated[
    Path | None, typer.Option("--output", help="Folder of the report; default: validation_output/reports/{section}.")
]


def report(section: Section, output: Folder = None, as_json: AsJson = False) -> int:
    """Write learning curves, a table over seeds, LaTeX and TensorBoard files of a section's trainings."""
    from orchestrator.cli.output.console import Console
    from orchestrator.core.errors import BadInput
    from orchestrator.core.reporting.training_tables import text_lines
    from orchestrator.stores.project import find_project
    from orchestrator.stores.reporting.folder import emptied_report
    from orchestrator.stores.reporting.training_report import write_training_report
    from orchestrator.stores.section.card_yaml import load_card
    from orchestrator.wiring.reports import section_trainings

    project = find_project()
    load_card(project.cards, section)  # so that a wrong name is refused with the nearest one
    trainings = section_trainings(project, section)
    if not trainings:
        raise BadInput(
            f"{section} has no training to report: no session has run yet",
            remedy=f"Train it first: python -m orchestrator run {section} --quick",
        )
    folder = emptied_report(output or project.section_reports / section)
    command = shlex.join(["python", "-m", "orchestrator", *sys.argv[1:]])
    files, statistics = write_training_report(section, trainings, folder, command)
    console = Console(sys.stderr if as_json else sys.stdout)
    console.say(*(f"Wrote {path.as_posix()}" for path in files))
    console.say(*text_lines(trainings, statistics))
    if as_json:
        print_json(
            {
                "files": [path.as_posix() for path in files],
                "trainings": len(trainings),
                "proofs": {one.session: dict(one.proof) for one in trainings if one.proof},
                "statistics": [asdict(one) for one in statistics],
            }
        )
    return 0
