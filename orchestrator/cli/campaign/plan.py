"""`campaign plan`: the forecast of a campaign, before anything is pushed."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from orchestrator.cli.campaign.loading import File, open_campaign
from orchestrator.cli.campaign.presentation import trial_status_json
from orchestrator.cli.error_boundary import print_json, run_command
from orchestrator.cli.options import AsJson, BackendName

if TYPE_CHECKING:
    from orchestrator.core.campaign.config import Campaign
    from orchestrator.core.campaign.expansion import Trial
    from orchestrator.core.reporting.forecast_report import CampaignForecast
    from orchestrator.core.section.card import SectionCard
    from orchestrator.core.session.time_budget import Quota
    from orchestrator.stores.project import Project


def plan(file: File, backend: BackendName = None, as_json: AsJson = False) -> int:
    """Show the trials, sessions, hours, quota of each week and the expected end. Nothing is sent or changed."""

    def act() -> int:
        from orchestrator.cli.output.console import Console
        from orchestrator.wiring.campaigns import removed_in_flight

        project, campaign, trials = open_campaign(file, backend)
        console = Console(sys.stderr if as_json else sys.stdout)
        quota, notes = _quota(project, campaign, trials)
        forecast = forecast_of(project, campaign, trials, quota)
        removed = removed_in_flight(project, campaign, trials)
        if as_json:
            trials_json = [trial_status_json(one) for one in forecast.standings]
            print_json(
                {**forecast.to_json(), "quota_asked": not notes, "taken_out": removed, "all_trials": trials_json}
            )
        else:
            console.say(*forecast.lines(), *removed, *notes)
        return 0

    return run_command(act, as_json=as_json)


def forecast_of(
    project: Project, campaign: Campaign, trials: tuple[Trial, ...], quota: Quota | None
) -> CampaignForecast:
    """The forecast by ledger, cards and quota."""
    from orchestrator.core.reporting.campaign_forecast import forecast_campaign
    from orchestrator.core.scheduling.packs import planned_places
    from orchestrator.core.scheduling.placement import metered_site
    from orchestrator.core.scheduling.quota import allowance
    from orchestrator.stores.system_clock import SystemClock
    from orchestrator.wiring.campaigns import campaign_statuses, spent_and_promised_s

    now = SystemClock().now()
    card = trials[0].variant.card
    longest_s = {"kaggle": card.kaggle.longest_session_s, "slurm": card.slurm.longest_session_s}
    budget_s = None if campaign.weekly_gpu_hours is None else campaign.weekly_gpu_hours * 3600
    spent_s, promised_s = spent_and_promised_s(project, campaign, trials, quota, now)
    return forecast_campaign(
        campaign,
        campaign_statuses(project, campaign, trials),
        now=now,
        longest_s=longest_s,
        allowed=None
        if metered_site(campaign, trials) is None
        else allowance(now, quota=quota, budget_s=budget_s, spent_s=spent_s, promised_s=promised_s, replays_live=True),
        quota=quota,
        places=planned_places(campaign, card, _machine_places),
    )


def _machine_places(card: SectionCard, backend: str) -> int:
    """Sessions that one machine of a backend runs side by side; needs no account."""
    if backend in ("slurm", "ray"):
        return (card.slurm if backend == "slurm" else card.ray).places(card.device)
    return card.kaggle.places if backend == "kaggle" else os.cpu_count() or 1


def _quota(project: Project, campaign: Campaign, trials: tuple[Trial, ...]) -> tuple[Quota | None, list[str]]:
    """The service's quota of GPU sessions, or a line that says why it is unknown: a plan needs no account."""
    from orchestrator.core.errors import RemoteUnavailable
    from orchestrator.core.scheduling.placement import metered_site
    from orchestrator.wiring.campaigns import quota_of

    site = metered_site(campaign, trials)
    if site is None:  # the other sessions have no quota
        return None, []
    try:
        return quota_of(site, project, trials[0].card), []
    except RemoteUnavailable as fault:
        budget = campaign.weekly_gpu_hours
        instead = f"planned with the campaign's own {budget:g} h a week" if budget else "planned without a quota"
        return None, [f"The quota cannot be read ({fault}): {instead}"]
