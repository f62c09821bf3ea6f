"""How much a campaign may still compute this week: the service's quota, its own budget, and sessions in flight."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from orchestrator.core.campaign.session_slots import Slots
from orchestrator.core.ledger.records import SessionRecord, Stage
from orchestrator.core.scheduling.packs import kernels_of
from orchestrator.core.section.site import Site, site_of
from orchestrator.core.session.time_budget import Quota

WEEK_S = 7 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What may be computed in a week, seconds.

    Attributes:
        left_s: Of the current week.
        weekly_s: Of every week.
        refresh_in_s: Until the next week starts.
    """

    left_s: float
    weekly_s: float
    refresh_in_s: float


class QuotaCourse:
    """A weekly quota on a virtual clock.

    Args:
        metered: Sites whose sessions use it.

    Attributes:
        refresh_s: Time at which the next week starts; infinite without a quota.
        weeks: Seconds used in each week, the current one last; empty without a quota.
    """

    def __init__(self, allowance: Allowance | None, metered: Collection[Site]) -> None:
        self._metered = metered
        self._allowance = allowance
        self._left_s = allowance.left_s if allowance else None
        self.refresh_s = allowance.refresh_in_s if allowance else math.inf
        self.weeks = [0.0] if allowance else []

    def left_s_of(self, site: Site) -> float | None:
        """Seconds that sessions at a site may still use this week, None without a limit."""
        return self._left_s if site in self._metered else None

    def use(self, site: Site, wall_s: float) -> None:
        """Count a session at a site; a negative time gives back what it did not use."""
        if self._left_s is not None and site in self._metered:
            self._left_s -= wall_s
            self.weeks[-1] += wall_s

    def refresh(self) -> bool:
        """Start the next week; False without a quota."""
        if self._allowance is None:
            return False
        self._left_s = self._allowance.weekly_s
        self.refresh_s += WEEK_S
        self.weeks.append(0.0)
        return True


def week_of(now: datetime, quota: Quota | None) -> tuple[datetime, datetime]:
    """Start and end of the current week: the service's own if it reports one, else Monday to Monday, UTC."""
    if quota is not None and quota.refresh_at is not None:
        end = quota.refresh_at
        while end <= now:  # the answer is from last week
            end += timedelta(seconds=WEEK_S)
        return end - timedelta(seconds=WEEK_S), end
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    start = midnight - timedelta(days=midnight.weekday())
    return start, start + timedelta(seconds=WEEK_S)


def metered_sessions(slots: Slots, sessions: Iterable[SessionRecord]) -> list[SessionRecord]:
    """Sessions whose hours may count against the quota: of several backends, those at metered sites."""
    several = len(slots.backends) > 1
    return [one for one in sessions if not several or site_of(one.backend, one.kind) in slots.metered]


def promised_s(live: Sequence[SessionRecord]) -> float:
    """Seconds of quota that sessions in flight may still use: their whole deadline, as their progress is unknown.

    A kernel uses quota once, for as long as its longest session.
    """
    charged = [one for one in live if one.spends_quota]
    return sum(
        max(float(one.ticket["spec"]["deadline_s"]) for one in together) for together in kernels_of(charged).values()
    )


def spent_s(sessions: Sequence[SessionRecord], since: datetime) -> float:
    """Wall seconds of quota of closed sessions that began at `since` or later; the deadline if the time is unknown.

    A kernel counts once all its sessions are closed: until then its whole deadline is promised.
    """
    charged = [one for one in sessions if not one.never_submitted and one.began_at >= since and one.spends_quota]
    return sum(
        _kernel_s(together)
        for together in kernels_of(charged).values()
        if all(one.stage is Stage.CLOSED for one in together)
    )


def _kernel_s(together: Sequence[SessionRecord]) -> float:
    """Wall seconds of a kernel. On a small machine its sessions ran one after the other."""
    longest_s = max(float(one.ticket["spec"]["deadline_s"]) if one.wall_s is None else one.wall_s for one in together)
    begun = [datetime.fromisoformat(one.started_at) for one in together if one.started_at]
    ended = [datetime.fromisoformat(one.ended_at) for one in together if one.ended_at]
    if len(together) == 1 or not begun or not ended:
        return longest_s
    return max(longest_s, (max(ended) - min(begun)).total_seconds())


def allowance(
    now: datetime,
    *,
    quota: Quota | None,
    budget_s: float | None,
    spent_s: float,
    promised_s: float,
    replays_live: bool = False,
) -> Allowance | None:
    """What new sessions may use, None without quota and budget.

    Args:
        quota: The service's answer, None where it has no quota.
        budget_s: The campaign's own weekly budget, None for none.
        spent_s: Wall seconds that the campaign's closed sessions used this week.
        promised_s: Wall seconds that its sessions in flight may still use.
        replays_live: Whether the caller counts the sessions in flight again from their start, as a forecast does:
            then they are not subtracted here.
    """
    if quota is None and budget_s is None:
        return None
    left_s, weekly_s = float("inf"), float("inf")
    if quota is not None:
        # The service reserves quota for running sessions; do not subtract the same sessions twice.
        reserved_s = quota.reserved_s
        held_s = max(0.0, reserved_s - promised_s) if replays_live else max(reserved_s, promised_s)
        left_s, weekly_s = quota.allowed_s - quota.used_s - held_s, quota.allowed_s
    if budget_s is not None:
        held_s = 0.0 if replays_live else promised_s
        left_s, weekly_s = min(left_s, budget_s - spent_s - held_s), min(weekly_s, budget_s)
    _, end = week_of(now, quota)
    return Allowance(left_s=max(0.0, left_s), weekly_s=weekly_s, refresh_in_s=(end - now).total_seconds())
