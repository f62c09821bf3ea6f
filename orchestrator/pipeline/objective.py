"""The number by which a search judges a training, read from the account of the session that evaluated it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.core.errors import BadInput, RunFailed
from orchestrator.core.records import SessionRecord
from orchestrator.core.searches import SCORE, Search
from orchestrator.ports import ResultsStore


def number_of(record: SessionRecord, search: Search, results: ResultsStore) -> float | None:
    """The objective of a finished training; None for a score that its section does not tell.

    Args:
        record: The session that evaluated it.

    Raises:
        RunFailed: Its outputs are gone or damaged.
        BadInput: Its summary has no such number.
    """
    if search.objective == SCORE:
        return record.score
    manifest, faults = results.manifest(Path(record.results_dir)) if record.results_dir else (None, ())
    if manifest is None or faults:
        raise RunFailed(
            f"the objective of {record.slug} cannot be read: {'; '.join(faults) or 'its outputs are gone'}",
            remedy="`fetch` brings them again.",
        )
    found: Any = manifest.outcome.summary
    for word in search.objective.split("."):
        found = found.get(word) if isinstance(found, Mapping) else None
    if isinstance(found, bool) or not isinstance(found, int | float):
        known = ", ".join(sorted(manifest.outcome.summary))
        raise BadInput(
            f"{record.slug} tells no number {search.objective!r}",
            remedy=f"objective must name a number of the session's summary, nested with dots: {known or 'none'}.",
        )
    return float(found)
