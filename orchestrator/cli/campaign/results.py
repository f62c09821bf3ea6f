"""`campaign results` and `campaign report`: the table of results, and the report of each section."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.campaign.loading import File, open_campaign
from orchestrator.cli.error_boundary import run_command
from orchestrator.cli.options import BackendName

Output = Annotated[
    Path | None, typer.Option("--output", help="Write the table to this .csv or .parquet file instead of showing it.")
]
Folder = Annotated[
    Path | None, typer.Option("--output", help="Folder of the report; default: validation_output/campaigns/{name}.")
]


def results(file: File, backend: BackendName = None, output: Output = None) -> int:
    """Show the table of finished trials: one row for each trial and number, with its source."""

    def act() -> int:
        from orchestrator.cli.output.console import Console
        from orchestrator.core.reporting.results_table import rows_of, to_csv
        from orchestrator.wiring.campaigns import finished_of

        project, campaign, trials = open_campaign(file, backend)
        finished, _ = finished_of(project, campaign, trials)
        rows = [row for one in finished for row in rows_of(campaign.campaign, one)]
        if output is None:
            Console(sys.stdout).say(*to_csv(rows).splitlines())
        else:
            from orchestrator.stores.reporting.table_files import write_table

            write_table(rows, output)
        return 0

    return run_command(act)


def report(file: File, backend: BackendName = None, output: Folder = None) -> int:
    """Write the page report.html, and table, curves, statistics, figures and LaTeX of the finished trials."""

    def act() -> int:
        from orchestrator.cli.campaign.presentation import failure_lines
        from orchestrator.cli.commands.report import read_page, written_page
        from orchestrator.cli.output.console import Console
        from orchestrator.core.reporting.failed_trials import failures_csv
        from orchestrator.core.reporting.finished_trial import campaign_report
        from orchestrator.core.reporting.results_table import rows_of
        from orchestrator.core.reporting.training import training_of
        from orchestrator.core.reporting.training_tables import text_lines
        from orchestrator.kernel.files.atomic import write_text
        from orchestrator.stores.reporting.folder import emptied_report, section_folder
        from orchestrator.stores.reporting.section_report import has_own_report, section_report
        from orchestrator.stores.reporting.table_files import PARQUET, parquet_at_hand, write_table
        from orchestrator.stores.reporting.training_report import write_training_report
        from orchestrator.wiring.campaigns import finished_of, trial_autopsies

        project, campaign, trials = open_campaign(file, backend)
        console, (finished, statuses) = Console(sys.stdout), finished_of(project, campaign, trials)
        folder = emptied_report(output or project.campaign_reports / campaign.campaign)
        rows = [row for one in finished for row in rows_of(campaign.campaign, one)]
        tables = [folder / "table.csv", *([folder / f"table{PARQUET}"] if parquet_at_hand() else [])]
        for path in tables:
            write_table(rows, path)
        console.say(*(f"Wrote {path.as_posix()}" for path in tables))
        autopsies = trial_autopsies(project, campaign, file, statuses)
        if autopsies:
            write_text(folder / "failures.csv", failures_csv(statuses, autopsies))
            console.say(f"Wrote {(folder / 'failures.csv').as_posix()}", *failure_lines(statuses, autopsies))
        if not finished:
            console.say(f"No trial of {campaign.campaign} is finished yet: `campaign status` shows their states")
        for card in {one.trial.variant.card.section: one.trial.variant.card for one in finished}.values():
            command = shlex.join(["python", "-m", "orchestrator", *sys.argv[1:]])
            section_input = campaign_report(campaign, card.section, finished, statuses, command)
            own = section_folder(folder, card.section, {trial.variant.card.section for trial in trials})
            console.say(*section_report(project.code, card.code_folder, section_input, own))
            if not has_own_report(project.code, card.code_folder):
                trainings = [training_of(one) for one in finished if one.trial.variant.card.section == card.section]
                files, statistics = write_training_report(card.section, trainings, own, command)
                console.say(*(f"Wrote {path.as_posix()}" for path in files), *text_lines(trainings, statistics))
        written_page(read_page(project, file), folder, console)
        return 0

    return run_command(act)
