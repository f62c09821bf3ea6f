"""What the report on a section reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from orchestrator.core.ledger.records import SessionRecord
from orchestrator.core.reporting.training import Training
from orchestrator.kernel.checkpoint.survey import survey_checkpoints
from orchestrator.kernel.wire import models_path
from orchestrator.pipeline.reporting.trainings import trainings_of_section
from orchestrator.stores.ledger.reading import ledger_for_reading
from orchestrator.stores.project import Project
from orchestrator.stores.session.results import ResultsTree, fetched_folder


def section_trainings(project: Project, section: str) -> list[Training]:
    """All trainings of a section, each with the proof in its newest checkpoint.

    Creates no ledger.

    Raises:
        RunFailed: A session's event file is damaged, or belongs to another session.
    """
    with ledger_for_reading(project.own / "ledger.sqlite") as ledger:
        trainings = trainings_of_section(ledger, ResultsTree(project.results), section)
        records = {record.slug: record for record in ledger.sessions()}
    return [replace(one, proof=_proof(project, records[one.session])) for one in trainings]


def _proof(project: Project, record: SessionRecord) -> Mapping[str, Any] | None:
    """Facts of the proof in the newest checkpoint of a session; None without both."""
    folder = fetched_folder(project.results, record)
    if folder is None:
        return None
    models = models_path(folder, str(record.ticket["section_dir"]))
    newest = survey_checkpoints(models, str(record.ticket["spec"]["scenario"])).latest
    own = newest is not None and newest.stamp.get("lineage_id") == record.lineage_id
    return newest.proof if newest is not None and own else None
