"""Sessions in flight whose training was removed from the campaign's file: they are stopped and collected."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.expansion import CardOf, Trial
from orchestrator.core.campaign.orphans import pushed_by, trial_from_ticket
from orchestrator.core.errors import RunFailed
from orchestrator.core.ledger.records import AskedBy, RunRecord, SessionRecord, Stage
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.session.stop import ask_to_stop
from orchestrator.pipeline.session.watch import PATIENCE_S
from orchestrator.ports import Ledger

REMOVED = "no longer part of the campaign"


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphans:
    """Sessions in flight that the campaign pushed and does not name any more.

    Attributes:
        backends: Those of the campaign.
        trials: Their trials, rebuilt from ticket and run.
        unknown: Sessions that cannot be collected: neither file nor card names their training any more.
        elsewhere: Sessions on another backend than the campaign's.
    """

    backends: tuple[str, ...]
    trials: tuple[Trial, ...]
    unknown: tuple[SessionRecord, ...]
    elsewhere: tuple[SessionRecord, ...]

    def unknown_running(self, now: datetime) -> tuple[SessionRecord, ...]:
        """Unknown sessions that may still be running."""
        return tuple(one for one in self.unknown if now <= _latest_end(one))

    def faults(self) -> list[tuple[str, RunFailed]]:
        """Slug and fault of every session that this campaign cannot collect as it is."""
        nameless = RunFailed(
            "is in flight, and neither the campaign's file nor its section's card names this training any more",
            remedy="Restore its line and the card: the next tick collects it. Its outputs stay on the backend.",
        )
        used = " and ".join(self.backends)
        return [(one.slug, nameless) for one in self.unknown] + [
            (
                one.slug,
                RunFailed(
                    f"is in flight on {one.backend}, its line was removed, and this tick uses {used}",
                    remedy=f"Tick with --backend {one.backend} until it is collected.",
                ),
            )
            for one in self.elsewhere
        ]


def find_orphans(campaign: Campaign, card_of: CardOf, ledger: Ledger, named: Container[str]) -> Orphans:
    """Find the sessions in flight that this campaign pushed and does not name.

    Args:
        named: Lineage ids of the campaign's trials, and of others that are collected anyway.
    """
    trials: list[Trial] = []
    unknown: list[SessionRecord] = []
    elsewhere: list[SessionRecord] = []
    for one in ledger.open_sessions():
        if one.lineage_id in named or not pushed_by(one, run := _run_of(ledger, one), campaign.campaign):
            continue
        if one.backend not in campaign.limits:
            elsewhere.append(one)
        elif run is not None and (trial := trial_from_ticket(one.ticket["spec"]["lineage"], run, card_of)):
            trials.append(trial)
        else:
            unknown.append(one)
    return Orphans(
        backends=tuple(campaign.limits), trials=tuple(trials), unknown=tuple(unknown), elsewhere=tuple(elsewhere)
    )


def stop_removed(context: RunContext, record: SessionRecord) -> bool:
    """Ask the session of a removed training to stop; whether it was asked. Repeatable.

    Raises:
        NotYet: It has not shown the number that the backend needs.
        BadInput: It cannot be stopped from here.
        RemoteUnavailable: The request may have been lost.
    """
    if not context.backend.capabilities.can_cancel or record.stage is not Stage.SUBMITTED or record.handle is None:
        return False
    ask_to_stop(context, record, AskedBy.CAMPAIGN)
    return True


def _run_of(ledger: Ledger, record: SessionRecord) -> RunRecord | None:
    return next((run for run in ledger.runs(record.lineage_id) if run.run_id == record.run_id), None)


def _latest_end(record: SessionRecord) -> datetime:
    return record.began_at + timedelta(seconds=float(record.ticket["spec"]["deadline_s"]) + PATIENCE_S)
