"""The dependencies of a campaign, created by `wiring`, and the status of its trials, computed from the ledger."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from orchestrator.core.autopsy.verdicts import Autopsy
from orchestrator.core.campaign.config import Campaign, Plateau
from orchestrator.core.campaign.expansion import CardOf, Trial
from orchestrator.core.campaign.stop_rules import on_plateau
from orchestrator.core.campaign.trial_status import PLATEAU, State, TrialStatus, trial_status, with_dependencies
from orchestrator.core.ledger.records import RunRecord, SessionRecord, Stage
from orchestrator.core.run.request import RunRequest
from orchestrator.core.section.card import SectionCard
from orchestrator.core.section.site import KAGGLE, Site, site_of
from orchestrator.pipeline.campaign.finished_trials import since_beginning
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.search.replay import SearchReplay
from orchestrator.ports import Clock, Lease, Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignContext:
    """What a tick works with.

    Attributes:
        run_context: Trial's card, backend -> the dependencies of its run, with the trial's own models directory.
            Raises `RemoteUnavailable` if the backend cannot be used now.
        card_of: Reads the sections' cards.
        code_digest: Trial's card -> digest of the current code of its section.
        searching: Proposes trials while the campaign runs; None where the file names all trials.
        store_refusal: Lineage id, reason -> stores why this computer refuses a trial, for `campaign status`; an empty
            reason removes it.
        send_report: Sends the report of a tick to the campaign's webhook, and raises `OrchestratorError` if it cannot;
            None without a webhook.
        examine: Trials that ended badly -> the autopsy of each, by lineage id; None without any.
        new_image_before: Sessions that began before this moment do not bind the next one of their trial to their
            image; None if all do.
    """

    campaign: Campaign
    trials: tuple[Trial, ...]
    ledger: Ledger
    clock: Clock
    lease: Lease
    run_context: Callable[[SectionCard, str], RunContext]
    card_of: CardOf
    code_digest: Callable[[SectionCard], str]
    searching: SearchReplay | None = None
    store_refusal: Callable[[str, str], None] | None = None
    send_report: Callable[[Mapping[str, Any]], None] | None = None
    examine: Callable[[Sequence[TrialStatus]], Mapping[str, Autopsy]] | None = None
    new_image_before: datetime | None = None


def request_of_trial(
    trial: Trial, wall_s: float | None = None, campaign: str = "", new_image_before: datetime | None = None
) -> RunRequest:
    """The request that runs a trial.

    Args:
        wall_s: Wall seconds of its next session, None for the profile's.
        campaign: Name of the campaign that asks.
        new_image_before: As in `RunRequest`.
    """
    return RunRequest(
        card=trial.card,
        profile=trial.variant.profile,
        deadline_s=wall_s,
        campaign=campaign,
        new_image_before=new_image_before,
    )


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
    if campaign.backend in (None, KAGGLE):
        statuses = [_with_sites(ledger, one) if one.run is not None else one for one in statuses]
    rule = campaign.stop.plateau
    return with_dependencies([_with_plateau(one, ledger, rule) for one in statuses] if rule else statuses)


def _with_sites(ledger: Ledger, status: TrialStatus) -> TrialStatus:
    """The same status with the sites of the sessions that made its checkpoints."""
    sessions = ledger.sessions(status.trial.lineage_id)
    lasting = [
        one
        for one in (since_beginning(sessions, sessions[-1]) if sessions else ())
        if one.stage is not Stage.CLOSED or (one.steps_done or 0) > 0
    ]
    known = (_site(one) for one in reversed(lasting))
    sites = tuple(dict.fromkeys(site for site in known if site is not None))[::-1]
    return replace(status, sites=sites, idle_since=_ended(sessions[-1]) if sessions else None)


def _site(record: SessionRecord) -> Site | None:
    """Where a session ran; None for a Kaggle session on an unknown machine."""
    return None if record.backend == KAGGLE and record.kind is None else site_of(record.backend, record.kind)


def _ended(record: SessionRecord) -> datetime:
    """When a session ended, as far as it is known."""
    if record.ended_at is not None:
        return datetime.fromisoformat(record.ended_at)
    return record.began_at + timedelta(seconds=record.wall_s or 0.0)


def _with_plateau(status: TrialStatus, ledger: Ledger, rule: Plateau) -> TrialStatus:
    """The same status, or failed if the training no longer improves."""
    if status.state is not State.WAITING or status.run is None:
        return status
    flat = on_plateau(ledger.sessions(status.trial.lineage_id), rule)
    return replace(status, state=State.FAILED, why=PLATEAU) if flat else status


def settings_of(card: SectionCard, backend: str) -> Hashable:
    """The block of a card that is for a backend; None where a backend has none."""
    block: Hashable = getattr(card, backend, None)
    return block
