"""The first reason for the verdict of each finished trial, as its session gave it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from orchestrator.core.campaign.trial_status import State, TrialStatus
from orchestrator.kernel.reading.json_text import Unreadable
from orchestrator.kernel.session.manifest import read_manifest
from orchestrator.stores.ledger.reading import ledger_for_reading
from orchestrator.stores.project import Project


def verdict_sentences(project: Project, statuses: Sequence[TrialStatus]) -> tuple[str, ...]:
    """`<trial>: <verdict>. <first reason>` for each trial that is done, or why it cannot be read.

    They are only shown: one that cannot be read must not hide the status of the trials.
    """
    return tuple(_sentences(project, statuses))


def _sentences(project: Project, statuses: Sequence[TrialStatus]) -> Iterator[str]:
    with ledger_for_reading(project.own / "ledger.sqlite") as ledger:
        for one in statuses:
            if one.state is not State.DONE or one.run is None or not one.verdict:
                continue
            folders = [
                session.results_dir
                for session in ledger.sessions(one.trial.lineage_id)
                if session.run_id == one.run.run_id and session.results_dir
            ]
            if not folders:
                continue
            try:
                manifest = read_manifest(Path(folders[-1]))
            except (OSError, Unreadable) as fault:
                yield f"{one.trial.label}: the reason for its verdict cannot be read: {fault}"
                continue
            if manifest is not None and manifest.outcome.verdict_reasons:
                first = " ".join(manifest.outcome.verdict_reasons[0].split())
                yield f"{one.trial.label}: {one.verdict.replace('_', ' ')}. {first}"
