"""Trainings that a campaign's searches started and no longer propose, found among the lineages of the ledger."""

from __future__ import annotations

from collections.abc import Collection

from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.expansion import CardOf, Trial
from orchestrator.core.campaign.orphans import trial_of_search
from orchestrator.ports import Ledger


def find_search_orphans(
    campaign: Campaign, card_of: CardOf, ledger: Ledger, named: Collection[str]
) -> tuple[Trial, ...]:
    """Trainings of the campaign's searches that are no trials of it any more, sorted by lineage id.

    A training counts if this campaign started it, or if no run of it says which campaign did.

    Args:
        named: Lineage ids of the campaign's trials.
    """
    started_by: dict[str, set[str | None]] = {}
    for run in ledger.runs():
        if run.lineage_id not in named:
            started_by.setdefault(run.lineage_id, set()).add(run.campaign)
    own = (one for one, names in sorted(started_by.items()) if campaign.campaign in names or names <= {None})
    found = (_trial_of(campaign, card_of, ledger, lineage_id) for lineage_id in own)
    return tuple(trial for trial in found if trial is not None)


def _trial_of(campaign: Campaign, card_of: CardOf, ledger: Ledger, lineage_id: str) -> Trial | None:
    sessions = ledger.sessions(lineage_id)
    if not sessions:
        return None  # its run has planned no session yet
    lineage = sessions[0].ticket["spec"]["lineage"]
    trials = (
        trial_of_search(name, group, lineage_id, lineage, card_of)
        for name, group in campaign.trials.items()
        if group.search is not None
    )
    return next((trial for trial in trials if trial is not None), None)
