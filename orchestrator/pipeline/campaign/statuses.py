"""The status of every trial of a campaign, computed from the ledger."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from orchestrator.core.campaign.config import Campaign, Plateau
from orchestrator.core.campaign.expansion import Trial
from orchestrator.core.campaign.stop_rules import on_plateau
from orchestrator.core.campaign.trial_status import PLATEAU, State, TrialStatus, trial_status, with_dependencies
from orchestrator.core.ledger.records import RunRecord, Stage
from orchestrator.core.section.card import SectionCard
from orchestrator.core.section.session_kind import SessionKind
from orchestrator.pipeline.campaign.finished_trials import since_beginning
from orchestrator.ports import Ledger


def read_trial_statuses(
    ledger: Ledger,
    campaign: Campaign,
    trials: Sequence[Trial],
    code_digest: Callable[[SectionCard], str],
    refused: Mapping[str, str] | None = None,
) -> tuple[TrialStatus, ...]:
    """The status of every trial, in the campaign's order.

    Args:
        code_digest: Trial's card -> digest of the current code of its section; called for every trial.
        refused: Lineage id -> why this computer refuses the trial.
    """
    runs: dict[str, list[RunRecord]] = {}
    for run in ledger.runs():
        runs.setdefault(run.lineage_id, []).append(run)
    live = {one.lineage_id for one in ledger.open_sessions()}
    statuses = [
        trial_status(
            trial,
            runs.get(trial.lineage_id, ()),
            live=trial.lineage_id in live,
            code_digest=code_digest(trial.card),
            retries=campaign.retries,
            refused=(refused or {}).get(trial.lineage_id, ""),
        )
        for trial in trials
    ]
    if campaign.backend == "kaggle":
        statuses = [replace(one, kinds=_kinds(ledger, one)) if one.run is not None else one for one in statuses]
    rule = campaign.stop.plateau
    return with_dependencies([_with_plateau(one, ledger, rule) for one in statuses] if rule else statuses)


def _kinds(ledger: Ledger, status: TrialStatus) -> tuple[SessionKind, ...]:
    sessions = ledger.sessions(status.trial.lineage_id)
    lasting = [
        one
        for one in (since_beginning(sessions, sessions[-1]) if sessions else ())
        if one.stage is not Stage.CLOSED or (one.steps_done or 0) > 0
    ]
    return tuple(dict.fromkeys(kind for one in reversed(lasting) if (kind := one.kind) is not None))[::-1]


def _with_plateau(status: TrialStatus, ledger: Ledger, rule: Plateau) -> TrialStatus:
    """The same status, or failed if the training no longer improves."""
    if status.state is not State.WAITING or status.run is None:
        return status
    flat = on_plateau(ledger.sessions(status.trial.lineage_id), rule)
    return replace(status, state=State.FAILED, why=PLATEAU) if flat else status
