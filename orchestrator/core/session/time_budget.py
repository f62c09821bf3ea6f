"""Quota of an account, and how long a session may take: the least of the limits of card, platform and quota."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from orchestrator.core.errors import NotYet

LEAST_USEFUL_S = 900.0
"""A shorter session would spend more time on starting, verifying and saving than on training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """Weekly computing quota of an account.

    Attributes:
        resource: What is counted, e.g. `GPU`.
        reserved_s: Reserved for running sessions.
        refresh_at: When the next week starts, aware UTC; None if unknown.
    """

    resource: str
    used_s: float
    reserved_s: float
    allowed_s: float
    refresh_at: datetime | None = None

    @property
    def left_s(self) -> float:
        """Seconds left for new sessions."""
        return max(0.0, self.allowed_s - self.used_s - self.reserved_s)


def session_wall_s(profile_s: float, *, platform_s: float | None, quota: Quota | None) -> float:
    """Wall seconds of the next session. The kernel reserves part of them for saving and evaluation.

    Args:
        profile_s: Limit of the card's profile.
        platform_s: Limit of the platform, None without one.
        quota: Quota of the account, None without one.

    Raises:
        NotYet: The remaining quota is too short for a useful session; `until` is its refresh.
    """
    wall_s = min(profile_s, platform_s or profile_s)
    if quota is None or quota.left_s >= wall_s:
        return wall_s
    if quota.left_s < min(LEAST_USEFUL_S, wall_s):
        raise NotYet(
            f"{quota.left_s / 60:.0f} minutes of the weekly {quota.resource} quota are left "
            f"({quota.used_s / 3600:.1f} of {quota.allowed_s / 3600:.1f} h used, "
            f"{quota.reserved_s / 3600:.1f} h reserved)",
            remedy="Run the same command again after the quota refresh; nothing is lost.",
            until=quota.refresh_at,
        )
    return quota.left_s


def granted_s(
    wanted_s: float, *, needed_s: float, left_s: float | None, until_deadline_s: float | None
) -> float | None:
    """Wall seconds that a campaign gives to a session, None if they are too few to be useful.

    Args:
        wanted_s: Limit of the card's profile and of the platform.
        needed_s: To start, save and evaluate; a session of less than twice this would hardly train.
        left_s: Left of the weekly quota or budget, None without either.
        until_deadline_s: Until the campaign's deadline, None without one.
    """
    wall_s = min(limit for limit in (wanted_s, left_s, until_deadline_s) if limit is not None)
    least_s = min(wanted_s, max(LEAST_USEFUL_S, 2.0 * needed_s))
    return wall_s if wall_s >= least_s else None


def next_wall_s(
    full_s: float, rest_s: float, overhead_s: float, *, left_s: float | None, until_deadline_s: float | None
) -> float | None:
    """Wall seconds of a trial's next session, None if too little time is left for it.

    Args:
        full_s: Longest session.
        rest_s: Of a session that trains all that is left, at most `full_s`.
        overhead_s: To start, save and evaluate.
        left_s: As in `granted_s`.
        until_deadline_s: As in `granted_s`.
    """
    granted = granted_s(full_s, needed_s=overhead_s, left_s=left_s, until_deadline_s=until_deadline_s)
    if granted is None:  # the last session of a trial may be shorter than the shortest useful full session
        least_s = min((limit for limit in (left_s, until_deadline_s) if limit is not None), default=math.inf)
        return rest_s if rest_s < full_s and rest_s <= least_s else None
    return min(granted, rest_s)
