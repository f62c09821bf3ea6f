"""The dependencies of a campaign, created by `wiring`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orchestrator.core.autopsy.verdicts import Autopsy
from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.expansion import CardOf, Trial
from orchestrator.core.campaign.trial_status import TrialStatus
from orchestrator.core.run.request import RunRequest
from orchestrator.core.section.card import SectionCard
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.search.replay import SearchReplay
from orchestrator.ports import Clock, Lease, Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignContext:
    """What a tick works with.

    Attributes:
        run_context: Trial's card -> the dependencies of its run, with the trial's own models directory.
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
    run_context: Callable[[SectionCard], RunContext]
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
