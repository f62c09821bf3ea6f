"""Sessions in flight of trainings that were taken out of a campaign's file: what was computed is not left behind."""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime, timedelta

from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.expansion import CardOf, Trial
from orchestrator.core.campaign.orphans import pushed_by, trial_from_ticket
from orchestrator.core.errors import RunFailed
from orchestrator.core.ledger.records import RunRecord, SessionRecord
from orchestrator.pipeline.session.watch import PATIENCE_S
from orchestrator.ports import Ledger


class OrphanFinder:
    """Of one campaign; each run is recognised, or not, once."""

    def __init__(self, campaign: Campaign, card_of: CardOf, ledger: Ledger) -> None:
        self._campaign = campaign
        self._card_of = card_of
        self._ledger = ledger
        self._recognised: dict[str, Trial | None] = {}
        self._unknown: tuple[SessionRecord, ...] = ()
        self._elsewhere: tuple[SessionRecord, ...] = ()

    def flying(self, named: Container[str]) -> tuple[Trial, ...]:
        """Trials of which this campaign has sessions in flight on its backend, and that it does not name.

        Args:
            named: Lineages of its trials, and of others that are looked after.
        """
        mine = [
            (one, run)
            for one in self._ledger.open_sessions()
            if one.lineage_id not in named and pushed_by(one, run := self._run_of(one), self._campaign.campaign)
        ]
        here = [(one, self._trial_of(one, run)) for one, run in mine if one.backend == self._campaign.backend]
        self._elsewhere = tuple(one for one, _ in mine if one.backend != self._campaign.backend)
        self._unknown = tuple(one for one, trial in here if trial is None)
        return tuple(trial for _, trial in here if trial is not None)

    def unknown(self, now: datetime) -> tuple[SessionRecord, ...]:
        """Sessions of trainings that file and cards can no longer name, as long as they may still be at work."""
        return tuple(one for one in self._unknown if now <= _last_moment(one))

    def faults(self) -> list[tuple[str, RunFailed]]:
        """Of what flies and cannot be brought home by this campaign as it is, name and what to do about it."""
        nameless = RunFailed(
            "is in flight, and neither the campaign's file nor its section's card names this training any more",
            remedy="Put its line and the card back as they were: the next tick brings it home. What it saves stays "
            "over there.",
        )
        return [(one.slug, nameless) for one in self._unknown] + [
            (
                one.slug,
                RunFailed(
                    f"is in flight on {one.backend}, its line was taken out, and this tick looks at "
                    f"{self._campaign.backend}",
                    remedy=f"Tick with --backend {one.backend} until it is brought home.",
                ),
            )
            for one in self._elsewhere
        ]

    def _run_of(self, record: SessionRecord) -> RunRecord | None:
        runs = self._ledger.runs(record.lineage_id)
        return next((run for run in runs if run.run_id == record.run_id), None)

    def _trial_of(self, record: SessionRecord, run: RunRecord | None) -> Trial | None:
        if record.run_id not in self._recognised:
            lineage = record.ticket["spec"]["lineage"]
            self._recognised[record.run_id] = trial_from_ticket(lineage, run, self._card_of) if run else None
        return self._recognised[record.run_id]


def _last_moment(record: SessionRecord) -> datetime:
    return record.began_at + timedelta(seconds=float(record.ticket["spec"]["deadline_s"]) + PATIENCE_S)
