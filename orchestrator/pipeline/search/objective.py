"""The objective of a search: the number by which it compares trainings."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path

from orchestrator.core.campaign.search_config import SCORE, Search
from orchestrator.core.errors import BadInput, RunFailed
from orchestrator.core.ledger.records import SessionRecord
from orchestrator.core.session.judgement import numbers_in
from orchestrator.ports import ResultsStore


def objective_value(record: SessionRecord, search: Search, results: ResultsStore) -> float | None:
    """The objective of a finished training; None for a score that its section does not report.

    Args:
        record: The session that evaluated it.
        results: The session's outputs, for one that was judged before the ledger stored its numbers.

    Raises:
        RunFailed: Its numbers are not in the ledger, and its outputs are missing or damaged.
        BadInput: The session's summary has no such number.
    """
    if search.objective == SCORE:
        return record.score
    numbers = record.numbers if record.numbers is not None else _read(record, results)
    if search.objective not in numbers:
        near = difflib.get_close_matches(search.objective, numbers, n=1)
        known = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(numbers)) or 'none'}."
        raise BadInput(
            f"{record.slug} reports no number {search.objective!r}",
            remedy=f"objective must name a number of the session's summary, nested with dots: {known}",
        )
    return numbers[search.objective]


def _read(record: SessionRecord, results: ResultsStore) -> Mapping[str, float]:
    manifest, faults = results.manifest(Path(record.results_dir)) if record.results_dir else (None, ())
    if manifest is None or faults:
        raise RunFailed(
            f"the objective of {record.slug} cannot be read: {'; '.join(faults) or 'its outputs are missing'}",
            remedy="Delete a damaged results folder, then `campaign tick FILE --recover-missing` fetches it again.",
        )
    return dict(numbers_in(manifest.outcome.summary))
