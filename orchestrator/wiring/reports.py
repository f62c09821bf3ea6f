"""What the report on a section reads."""

from __future__ import annotations

from orchestrator.core.reporting.training import Training
from orchestrator.pipeline.reporting.trainings import trainings_of_section
from orchestrator.stores.ledger.reading import ledger_for_reading
from orchestrator.stores.project import Project
from orchestrator.stores.session.results import ResultsTree


def section_trainings(project: Project, section: str) -> list[Training]:
    """All trainings of a section. Creates no ledger, but may migrate an older one.

    Raises:
        RunFailed: A session's event file is damaged, or belongs to another session.
    """
    with ledger_for_reading(project.own / "ledger.sqlite") as ledger:
        return trainings_of_section(ledger, ResultsTree(project.results), section)
