"""Forecasts the rest of a campaign from the state of its trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from types import MappingProxyType

from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.trial_status import State, TrialStatus
from orchestrator.core.errors import BadInput
from orchestrator.core.reporting.forecast_report import CampaignForecast
from orchestrator.core.reporting.session_kinds import trainings_per_week
from orchestrator.core.scheduling.forecast import forecast
from orchestrator.core.scheduling.packs import Packing
from orchestrator.core.scheduling.quota import Allowance
from orchestrator.core.scheduling.speeds import speeds
from orchestrator.core.scheduling.workload import LongestSessions, RemainingWork, remaining_work
from orchestrator.core.search.progress import behind_searches, search_progress
from orchestrator.core.section.site import KAGGLE, Site
from orchestrator.core.session.time_budget import Quota


def forecast_campaign(
    campaign: Campaign,
    standings: Sequence[TrialStatus],
    *,
    now: datetime,
    longest_s: LongestSessions = MappingProxyType({}),
    allowed: Allowance | None,
    quota: Quota | None = None,
    places: Mapping[Site, int] = MappingProxyType({}),
) -> CampaignForecast:
    """Forecast the rest of a campaign.

    Args:
        now: Start of the forecast.
        longest_s: Backend -> longest session, None without a limit.
        allowed: Weekly quota or budget, None without either.
        quota: The service's quota behind `allowed`.
        places: Site -> trainings that share a session there; 1 for a site that is not named.
    """
    left = [
        load
        for load in remaining_work(campaign, standings, longest_s)
        if standings[load.index].state is not State.CUT_OFF
    ]
    rates = speeds(campaign, standings)
    searches = search_progress(campaign, standings, rates, longest_s)
    deadline = campaign.stop.deadline
    _require_in_a_lifetime(left)
    packing = Packing(places=places, shares={one.trial.index: one.trial.card.section for one in standings})
    ahead = partial(
        forecast,
        behind_searches(left, searches),
        slots=campaign.slots,
        allowance=allowed,
        deadline_in_s=None if deadline is None else (deadline - now).total_seconds(),
    )

    def per_week(together: Mapping[Site, int]) -> dict[Site, float]:
        shown = campaign.backend in (None, KAGGLE)
        return trainings_per_week(left, campaign.slots, allowed, together) if shown else {}

    return CampaignForecast(
        campaign=campaign,
        standings=standings,
        loads=left,
        rates=rates,
        searches=searches,
        ahead=ahead(packing=packing),
        now=now,
        quota=quota,
        per_week=per_week(places),
        places=places,
        alone=None if packing.is_alone else (ahead(), per_week({})),
    )


_MOST_YEARS, _YEAR_S = 1_000, 365.25 * 86_400


def _require_in_a_lifetime(work: Sequence[RemainingWork]) -> None:
    """Refuse work without an end: its weeks could not be listed, and no calendar has its last day.

    Raises:
        BadInput: All trials together need more than a thousand years of computing.
    """
    years = sum(one.wall_s for one in work) / _YEAR_S
    if years > _MOST_YEARS:
        raise BadInput(
            f"the trials need {years:.3g} years of computing together, a campaign at most {_MOST_YEARS}",
            remedy="Lower target_steps, or the number of trials.",
        )
