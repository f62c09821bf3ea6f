"""`campaign results` and `campaign report`: the table of results, and the report of each section."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.campaign.loading import File, open_campaign
from orchestrator.cli.commands.report import Ask
from orchestrator.cli.error_boundary import run_command
from orchestrator.cli.options import BackendName

if TYPE_CHECKING:
    from orchestrator.cli.campaign.tables import Tables
    from orchestrator.cli.output.console import Console
    from orchestrator.core.campaign.config import Campaign
    from orchestrator.core.campaign.expansion import Trial
    from orchestrator.core.campaign.trial_status import TrialStatus
    from orchestrator.core.reporting.finished_trial import Finished
    from orchestrator.core.section.card import SectionCard
    from orchestrator.stores.project import Project

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


def report(file: File, backend: BackendName = None, output: Folder = None, ask: Ask = False) -> int:
    """Write the page report.html, and table, curves, statistics, figures and LaTeX of the finished trials."""

    def act() -> int:
        from orchestrator.cli.campaign.tables import Tables
        from orchestrator.cli.output.console import Console
        from orchestrator.cli.output.page_file import read_page, written_page
        from orchestrator.core.errors import OrchestratorError
        from orchestrator.stores.campaign.campaign_yaml import campaign_path
        from orchestrator.stores.reporting.folder import marked_report

        project, campaign, trials = open_campaign(file, backend)
        folder, console = output or project.campaign_reports / campaign.campaign, Console(sys.stdout)
        path = str(campaign_path(project.campaigns, file))  # a section may have the same name
        tables = Tables(folder, console)
        try:
            _write_tables(project, campaign, trials, file, tables)
        except OrchestratorError:
            # The page needs no complete outputs and no library of the section; it notes what it lacks.
            marked_report(folder)
            tables.name_kept()
            written_page(read_page(project, path, ask=ask), folder, console)
            raise
        except OSError:
            tables.name_kept()
            raise
        written_page(read_page(project, path, ask=ask), folder, console)
        return 0

    return run_command(act)


def _write_tables(project: Project, campaign: Campaign, trials: tuple[Trial, ...], file: str, tables: Tables) -> None:
    """Write everything but the page. Earlier files are replaced by complete ones, the rest of them is then deleted.

    Raises:
        RunFailed: Outputs of a finished trial are damaged, or a section's own report failed.
        BadInput: The folder holds files that no report wrote, or a library of a report is not installed.
    """
    from orchestrator.cli.campaign.presentation import failure_lines
    from orchestrator.core.reporting.failed_trials import failures_csv
    from orchestrator.core.reporting.results_table import rows_of
    from orchestrator.kernel.files.atomic import write_text
    from orchestrator.stores.reporting.folder import marked_report
    from orchestrator.stores.reporting.table_files import PARQUET, parquet_at_hand, write_table
    from orchestrator.wiring.campaigns import finished_of, trial_autopsies

    finished, statuses = finished_of(project, campaign, trials)
    folder, console = marked_report(tables.folder), tables.console
    rows = [row for one in finished for row in rows_of(campaign.campaign, one)]
    for path in (folder / "table.csv", *([folder / f"table{PARQUET}"] if parquet_at_hand() else [])):
        write_table(rows, path)
        tables.wrote(path)
    autopsies = trial_autopsies(project, campaign, file, statuses)
    if autopsies:
        write_text(folder / "failures.csv", failures_csv(statuses, autopsies))
        tables.wrote(folder / "failures.csv")
        console.say(*failure_lines(statuses, autopsies))
    if not finished:
        console.say(f"No trial of {campaign.campaign} is finished yet: `campaign status` shows their states")
    sections = {trial.variant.card.section for trial in trials}
    for card in {one.trial.variant.card.section: one.trial.variant.card for one in finished}.values():
        with tables.of_section(card.section, sections) as (own, new):
            _write_section(project, campaign, card, finished, statuses, own, new, console)
    tables.remove_earlier()


def _write_section(
    project: Project,
    campaign: Campaign,
    card: SectionCard,
    finished: Sequence[Finished],
    statuses: Sequence[TrialStatus],
    folder: Path,
    new: Path,
    console: Console,
) -> None:
    """Write the section's own report, or the general one if it has none.

    Args:
        folder: Of the report.
        new: In it; its files are moved to `folder` when all are complete.
    """
    from orchestrator.cli.output.page_file import page_command
    from orchestrator.core.reporting.finished_trial import campaign_report
    from orchestrator.core.reporting.training import training_of
    from orchestrator.core.reporting.training_tables import text_lines
    from orchestrator.stores.reporting.section_report import has_own_report, section_report
    from orchestrator.stores.reporting.training_report import write_training_report

    section_input = campaign_report(campaign, card.section, finished, statuses, page_command())
    console.say(*section_report(project.code, card.code_folder, section_input, folder, new))
    if not has_own_report(project.code, card.code_folder):
        trainings = [training_of(one) for one in finished if one.trial.variant.card.section == card.section]
        files, statistics = write_training_report(card.section, trainings, new, page_command())
        console.say(*(f"Wrote {(folder / path.name).as_posix()}" for path in files), *text_lines(trainings, statistics))
