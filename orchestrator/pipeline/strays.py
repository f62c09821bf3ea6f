"""Sessions in flight of trainings that were taken out of a campaign's file: what was computed is not left behind."""

from __future__ import annotations

from collections.abc import Container

from orchestrator.core.campaigns import Campaign
from orchestrator.core.errors import RunFailed
from orchestrator.core.expansion import CardOf, Trial
from orchestrator.core.records import SessionRecord
from orchestrator.core.taken_out import taken_out
from orchestrator.ports import Ledger


class Strays:
    """Each lineage is recognised, or not, once."""

    def __init__(self, campaign: Campaign, card_of: CardOf, ledger: Ledger) -> None:
        self._campaign = campaign.campaign
        self._card_of = card_of
        self._ledger = ledger
        self._recognised: dict[str, Trial | None] = {}
        self._unknown: tuple[SessionRecord, ...] = ()

    def flying(self, named: Container[str]) -> tuple[Trial, ...]:
        """Trials that this campaign began, does not name and has sessions of in flight.

        Args:
            named: Lineages of its trials, and of others that are looked after.
        """
        found = [one for one in self._ledger.open_sessions() if one.lineage_id not in named and self._began(one)]
        trials = [(one, self._trial_of(one)) for one in found]
        self._unknown = tuple(one for one, trial in trials if trial is None)
        return tuple(trial for _, trial in trials if trial is not None)

    def faults(self) -> list[tuple[str, RunFailed]]:
        """Of what flies and cannot be recognised, name and what to do about it."""
        fault = RunFailed(
            "is in flight, and neither the campaign's file nor its section's card names this training any more",
            remedy="Put its line and the card back as they were: the next tick brings it home. What it saves stays "
            "over there.",
        )
        return [(one.slug, fault) for one in self._unknown]

    def _began(self, record: SessionRecord) -> bool:
        """Whether this campaign began its run: the same training may be another's, or by hand."""
        runs = self._ledger.runs(record.lineage_id)
        return any(run.run_id == record.run_id and run.campaign == self._campaign for run in runs)

    def _trial_of(self, record: SessionRecord) -> Trial | None:
        lineage_id = record.lineage_id
        if lineage_id not in self._recognised:
            (run,) = (run for run in self._ledger.runs(lineage_id) if run.run_id == record.run_id)
            self._recognised[lineage_id] = taken_out(record.ticket["spec"]["lineage"], run, self._card_of)
        return self._recognised[lineage_id]
