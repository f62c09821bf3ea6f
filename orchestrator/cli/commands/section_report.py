"""The report on a section: page, tables over seeds, LaTeX and TensorBoard files of all its trainings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.cli.output.page_file import page_command, read_page, why_unwritten, written_page

if TYPE_CHECKING:
    from orchestrator.cli.output.console import Console
    from orchestrator.core.page.page import Page
    from orchestrator.core.page.training import Training as PageTraining
    from orchestrator.core.reporting.seed_statistics import Statistic
    from orchestrator.core.reporting.training import Training
    from orchestrator.stores.project import Project


def section_report(
    project: Project, section: str, output: Path | None, console: Console, *, ask: bool = False
) -> dict[str, Any]:
    """Write everything; the object for `--json`.

    Args:
        ask: Also look at sessions on other backends, and read their quotas.

    Raises:
        BadInput: The section has no training, or the folder holds files that no report wrote.
        RunFailed: A session's event file is damaged: the page says so, and a table that lacks its rows is not written.
        OSError: The folder that the user named cannot be written, or the disk is full.
    """
    from orchestrator.core.errors import BadInput, RunFailed
    from orchestrator.core.reporting.training_tables import text_lines
    from orchestrator.stores.reporting.folder import marked_report, staged_report
    from orchestrator.stores.reporting.training_report import seed_statistics, write_training_report
    from orchestrator.wiring.page.report import PAGE_NAME
    from orchestrator.wiring.reports import section_trainings

    trainings: list[Training] = []
    damaged: RunFailed | None = None
    try:
        trainings = section_trainings(project, section)
    except RunFailed as fault:
        damaged = fault
    if not trainings and damaged is None:
        raise BadInput(
            f"{section} has no training to report: no session has run yet",
            remedy=f"Train it first: python -m orchestrator run {section} --quick",
        )
    page = read_page(project, section, ask=ask)
    files: list[Path] = []
    statistics: list[Statistic] | None = None
    unwritten = ""
    try:
        folder = output or project.section_reports / section
        if damaged is not None:  # the tables of an earlier report stay: the page says what is damaged
            files = written_page(page, marked_report(folder), console)
        else:
            with staged_report(marked_report(folder), {PAGE_NAME}) as new:
                made, statistics = write_training_report(section, trainings, new, page_command())
            written = [folder / path.name for path in made]
            files = [*written_page(page, folder, console), *written]
            console.say(*(f"Wrote {path.as_posix()}" for path in written))
    except OSError as fault:
        if output is not None:
            raise
        unwritten = why_unwritten(fault, project)
        console.say(unwritten)
    if damaged is not None:
        damaged.files = tuple(path.as_posix() for path in files)
        raise damaged
    statistics = seed_statistics(trainings) if statistics is None else statistics
    unfinished = _unfinished(page, trainings)
    progress = {one: row.progress_line for one, row in unfinished.items()}
    console.say(*text_lines(trainings, statistics, progress))
    return _json(files, unwritten, trainings, statistics, unfinished)


def _unfinished(page: Page, trainings: Sequence[Training]) -> dict[str, PageTraining]:
    """Lineage id -> its row on the page, of each training without a result."""
    from orchestrator.core.reporting.training import UNFINISHED

    without_result = {one.lineage_id for one in trainings if one.result == UNFINISHED}
    return {row.lineage_id: row for row in page.trainings if row.lineage_id in without_result}


def _json(
    files: Sequence[Path],
    unwritten: str,
    trainings: Sequence[Training],
    statistics: Sequence[Statistic],
    unfinished: Mapping[str, PageTraining],
) -> dict[str, Any]:
    return {
        "files": [path.as_posix() for path in files],
        **({"unwritten": unwritten} if unwritten else {}),
        "trainings": len(trainings),
        "unfinished": {
            lineage_id: {name: getattr(row, name) for name in ("state", "steps", "target_steps", "rate", "eta_s")}
            for lineage_id, row in unfinished.items()
        },
        "proofs": {one.session: dict(one.proof) for one in trainings if one.proof},
        "adopted": {one.lineage_id: one.adopted for one in trainings if one.adopted},
        "statistics": [asdict(one) for one in statistics],
    }
