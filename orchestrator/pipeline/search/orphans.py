"""Trainings that a campaign's searches began and propose no longer, found among the lineages of the ledger."""

from __future__ import annotations

from collections.abc import Collection

from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.expansion import CardOf, Trial
from orchestrator.core.campaign.orphans import trial_of_search
from orchestrator.ports import Ledger


class SearchOrphans:
    """Each lineage of the ledger is recognised, or not, once."""

    def __init__(self, campaign: Campaign, card_of: CardOf, ledger: Ledger) -> None:
        self._name = campaign.campaign
        self._groups = [(name, group) for name, group in campaign.trials.items() if group.search is not None]
        self._card_of = card_of
        self._ledger = ledger
        self._lineages: set[str] = set()
        self._recognised: dict[str, Trial | None] = {}

    def among(self, changed: Collection[str], named: Collection[str]) -> tuple[Trial, ...]:
        """All that have left, as their groups would name them.

        Args:
            changed: Lineages of which something is new in the ledger.
            named: Lineages that are trials of the campaign.
        """
        self._lineages.update(changed)
        found = (self._of(lineage_id) for lineage_id in sorted(self._lineages.difference(named)))
        return tuple(trial for trial in found if trial is not None)

    def _of(self, lineage_id: str) -> Trial | None:
        if lineage_id not in self._recognised:
            sessions = self._ledger.sessions(lineage_id)
            if not sessions:
                return None  # a run that has planned nothing yet
            if not self._began(lineage_id):
                self._recognised[lineage_id] = None
                return None
            plain = sessions[0].ticket["spec"]["lineage"]
            found = (trial_of_search(name, group, lineage_id, plain, self._card_of) for name, group in self._groups)
            self._recognised[lineage_id] = next((trial for trial in found if trial is not None), None)
        return self._recognised[lineage_id]

    def _began(self, lineage_id: str) -> bool:
        """Whether this campaign began it, as far as anybody knows: the same training may be another's, or by hand."""
        campaigns = {run.campaign for run in self._ledger.runs(lineage_id)}
        return self._name in campaigns or campaigns <= {None}
