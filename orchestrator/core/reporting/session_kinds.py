"""What a campaign's plan says about the two kinds of Kaggle sessions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.session_slots import Slots
from orchestrator.core.campaign.trial_status import TrialStatus
from orchestrator.core.scheduling.placement import KIND_REMEDY, no_session_of_kind, possible_kinds, why_no_gpu
from orchestrator.core.scheduling.quota import WEEK_S, Allowance
from orchestrator.core.scheduling.workload import RemainingWork, Speeds
from orchestrator.core.section.kaggle import CORES, CPU_SESSIONS, MOST_SESSIONS
from orchestrator.core.section.session_kind import SessionKind


def trainings_per_week(
    work: Sequence[RemainingWork],
    slots: Slots,
    allowed: Allowance | None,
    places: Mapping[SessionKind, int] = MappingProxyType({}),
) -> dict[SessionKind, float]:
    """Trainings that the sessions of each kind can complete in a full week, from slots, quota and remaining work.

    Trainings that have not started count, as the others are partly done; all of them if every one has started.

    Args:
        allowed: Weekly quota or budget of GPU sessions, None without one.
        places: Trainings that share a session of a kind, each as fast as alone; 1 for a kind that is not named.
    """
    whole = [one for one in work if not one.started] or list(work)
    found: dict[SessionKind, float] = {}
    left_s = slots.total * WEEK_S
    for kind in SessionKind:
        walls_s = [one.placed(kind).wall_s for one in whole if kind in one.kinds]
        if not walls_s:
            continue
        room_s = min(slots.of(kind) * WEEK_S, left_s)
        if kind is SessionKind.GPU and allowed is not None:
            room_s = min(room_s, allowed.weekly_s)
        left_s -= room_s
        mean_s = math.fsum(walls_s) / len(walls_s)
        found[kind] = places.get(kind, 1) * room_s / mean_s if mean_s > 0 else 0.0
    return found


def kind_notes(
    campaign: Campaign,
    statuses: Sequence[TrialStatus],
    rates: Speeds,
    work: Sequence[RemainingWork],
    per_week: Mapping[SessionKind, float],
) -> list[str]:
    """Notes on the sessions of a campaign on Kaggle: a GPU without use, more sessions than there are, trials without.

    Args:
        work: What the trials without a final state still need.
        per_week: The campaign's own `trainings_per_week`.
    """
    if campaign.backend != "kaggle":
        return []
    open_statuses = [statuses[one.index] for one in work if one.index < len(statuses)]
    return [
        *_without_gpu_use(campaign, open_statuses, rates, work, per_week),
        *_beyond_kaggle(campaign.slots),
        *_stranded(open_statuses, work),
    ]


def _without_gpu_use(
    campaign: Campaign,
    statuses: Sequence[TrialStatus],
    rates: Speeds,
    work: Sequence[RemainingWork],
    per_week: Mapping[SessionKind, float],
) -> Iterator[str]:
    """Which variants could use a GPU session and have nothing for its GPU to do, and what CPU sessions would give."""
    reasons: dict[str, dict[str, None]] = {}
    for one in statuses:
        variant = one.trial.variant
        measured = rates.of_kinds(variant)
        why = why_no_gpu(variant.card.kaggle, measured)
        if why and SessionKind.GPU in possible_kinds(campaign, one, measured):
            reasons.setdefault(why, {})[variant.label] = None
    for why, labels in reasons.items():
        yield f"A GPU has nothing to do for {', '.join(labels)}: {why}"
    has_cpu = campaign.sessions is not None and campaign.sessions.cpu > 0
    if not reasons or has_cpu:
        return
    on_cpu = [_on_cpu(one) for one in work]
    slots = Slots(total=CPU_SESSIONS, by_kind={SessionKind.CPU: CPU_SESSIONS})
    pack = campaign.pack or statuses[0].trial.card.pack
    places = {SessionKind.CPU: CORES if pack == "auto" else min(pack, CORES)}
    instead = trainings_per_week(on_cpu, slots, None, places)
    yield (
        f"sessions: {{cpu: {CPU_SESSIONS}}} would complete about {_count(instead)} trainings a week instead of "
        f"{_count(per_week)}: Kaggle runs {CPU_SESSIONS} CPU sessions at once, 12 h each, without weekly quota. "
        "Trials that have begun keep their kind of session"
    )


def _on_cpu(work: RemainingWork) -> RemainingWork:
    """The work in CPU sessions, at the same speed where none is measured."""
    if SessionKind.CPU in work.kinds:
        return work.placed(SessionKind.CPU)
    return replace(work, kinds=(SessionKind.CPU,), slowness=(1.0,))


def _count(per_week: Mapping[SessionKind, float]) -> str:
    return f"{math.fsum(per_week.values()):.0f}"


def _beyond_kaggle(slots: Slots) -> Iterator[str]:
    for kind in slots.kinds if slots.by_kind is not None else ():
        if slots.of(kind) > MOST_SESSIONS[kind]:
            yield (
                f"sessions: {slots.of(kind)} {kind.value.upper()} sessions are planned, and Kaggle runs "
                f"{MOST_SESSIONS[kind]} per account at a time: the campaign will take longer than this plan"
            )


def _stranded(statuses: Sequence[TrialStatus], work: Sequence[RemainingWork]) -> Iterator[str]:
    without = {one.index for one in work if not one.kinds}
    for one in statuses:
        if one.trial.index in without:
            yield f"{one.trial.label} cannot start: {no_session_of_kind(one)}. {KIND_REMEDY}"
