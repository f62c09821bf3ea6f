"""What a campaign's plan says about its backends and the two kinds of Kaggle sessions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.session_slots import BackendLimits, Sessions, Slots, slots_of
from orchestrator.core.campaign.trial_status import TrialStatus
from orchestrator.core.scheduling.placement import no_session, possible_sites, why_no_gpu
from orchestrator.core.scheduling.quota import WEEK_S, Allowance
from orchestrator.core.scheduling.speeds import Speeds
from orchestrator.core.scheduling.workload import Option, RemainingWork
from orchestrator.core.section.kaggle import CORES, CPU_SESSIONS, MOST_SESSIONS
from orchestrator.core.section.session_kind import SessionKind
from orchestrator.core.section.site import KAGGLE, Site

_CPU = Site(KAGGLE, SessionKind.CPU)


def trainings_per_week(
    work: Sequence[RemainingWork],
    slots: Slots,
    allowed: Allowance | None,
    places: Mapping[Site, int] = MappingProxyType({}),
) -> dict[Site, float]:
    """Trainings that the sessions at each site can complete in a full week, from slots, quota and remaining work.

    Trainings that have not started count, as the others are partly done; all of them if every one has started.

    Args:
        allowed: Weekly quota or budget of GPU sessions, None without one.
        places: Trainings that share a session at a site, each as fast as alone; 1 for a site that is not named.
    """
    whole = [one for one in work if not one.started] or list(work)
    found: dict[Site, float] = {}
    for pool in slots.pools:
        left_s = pool.count * WEEK_S
        for site in pool.sites:
            walls_s = [one.placed(site).wall_s for one in whole if site in one.sites]
            if not walls_s:
                continue
            room_s = min(left_s, allowed.weekly_s) if site in slots.metered and allowed is not None else left_s
            left_s -= room_s
            mean_s = math.fsum(walls_s) / len(walls_s)
            found[site] = places.get(site, 1) * room_s / mean_s if mean_s > 0 else 0.0
    return found


def kind_notes(
    campaign: Campaign,
    statuses: Sequence[TrialStatus],
    rates: Speeds,
    work: Sequence[RemainingWork],
    per_week: Mapping[Site, float],
) -> list[str]:
    """Notes on the sessions of a campaign on Kaggle: a GPU without use, more sessions than there are, trials without.

    Args:
        work: What the trials without a final state still need.
        per_week: The campaign's own `trainings_per_week`.
    """
    if campaign.backend not in (None, KAGGLE):
        return []
    open_statuses = [statuses[one.index] for one in work if one.index < len(statuses)]
    return [
        *_without_gpu_use(campaign, open_statuses, rates, work, per_week),
        *_beyond_kaggle(campaign.slots),
        *_stranded(campaign, open_statuses, work),
    ]


def _without_gpu_use(
    campaign: Campaign,
    statuses: Sequence[TrialStatus],
    rates: Speeds,
    work: Sequence[RemainingWork],
    per_week: Mapping[Site, float],
) -> Iterator[str]:
    """Which variants could use a GPU session and have nothing for its GPU to do, and what CPU sessions would give."""
    reasons: dict[str, dict[str, None]] = {}
    for one in statuses:
        variant = one.trial.variant
        measured = rates.of_sites(variant)
        why = why_no_gpu(variant.card.kaggle, measured)
        if why and Site(KAGGLE, SessionKind.GPU) in possible_sites(campaign, one, measured):
            reasons.setdefault(why, {})[variant.label] = None
    for why, labels in reasons.items():
        yield f"A GPU has nothing to do for {', '.join(labels)}: {why}"
    has_cpu = campaign.sessions is not None and campaign.sessions.cpu > 0
    if not reasons or has_cpu or campaign.backend is None:
        return
    on_cpu = [_on_cpu(one) for one in work]
    slots = slots_of(((KAGGLE, BackendLimits(sessions=Sessions(cpu=CPU_SESSIONS))),))
    pack = campaign.pack or statuses[0].trial.card.pack
    places = {_CPU: CORES if pack == "auto" else min(pack, CORES)}
    instead = trainings_per_week(on_cpu, slots, None, places)
    yield (
        f"sessions: {{cpu: {CPU_SESSIONS}}} would complete about {_count(instead)} trainings a week instead of "
        f"{_count(per_week)}: Kaggle runs {CPU_SESSIONS} CPU sessions at once, 12 h each, without weekly quota. "
        "Trials that have begun keep their kind of session"
    )


def _on_cpu(work: RemainingWork) -> RemainingWork:
    """The work in CPU sessions, at the same speed where none is measured."""
    if _CPU in work.sites:
        return work.placed(_CPU)
    return replace(work, options=(Option(_CPU, 1.0, work.session_s),))


def _count(per_week: Mapping[Site, float]) -> str:
    return f"{math.fsum(per_week.values()):.0f}"


def _beyond_kaggle(slots: Slots) -> Iterator[str]:
    for pool in slots.pools:
        kind = pool.sites[0].kind
        if kind is not None and len(pool.sites) == 1 and pool.count > MOST_SESSIONS[kind]:
            yield (
                f"sessions: {pool.count} {kind.value.upper()} sessions are planned, and Kaggle runs "
                f"{MOST_SESSIONS[kind]} per account at a time: the campaign will take longer than this plan"
            )


def _stranded(campaign: Campaign, statuses: Sequence[TrialStatus], work: Sequence[RemainingWork]) -> Iterator[str]:
    without = {one.index for one in work if not one.options}
    for one in statuses:
        if one.trial.index in without:
            why, remedy = no_session(campaign, one)
            yield f"{one.trial.label} cannot start: {why}. {remedy}"
