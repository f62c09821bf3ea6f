"""How long a session may take: the least of what the card, the platform and the quota allow."""

from __future__ import annotations

from orchestrator.core.errors import NotYet
from orchestrator.core.session.backend_types import Quota

LEAST_USEFUL_S = 900.0
"""A session shorter than this spends more on starting, verifying and saving than on training."""


def session_wall_s(profile_s: float, *, platform_s: float | None, quota: Quota | None) -> float:
    """Wall seconds of the next session. The kernel keeps back its measured save and evaluation time from it.

    Args:
        profile_s: What the card's profile allows.
        platform_s: What the platform allows, None without a limit.
        quota: What the account has left, None where nothing is counted.

    Raises:
        NotYet: The quota left is too short for a useful session; says when it refreshes.
    """
    wall_s = min(profile_s, platform_s or profile_s)
    if quota is None or quota.left_s >= wall_s:
        return wall_s
    if quota.left_s < min(LEAST_USEFUL_S, wall_s):
        raise NotYet(
            f"{quota.left_s / 60:.0f} minutes of the weekly {quota.resource} quota are left "
            f"({quota.used_s / 3600:.1f} of {quota.allowed_s / 3600:.1f} h used, "
            f"{quota.reserved_s / 3600:.1f} h reserved)",
            remedy="Run the same command again after the quota's refresh; nothing is lost.",
            until=quota.refresh_at,
        )
    return quota.left_s


def granted_s(
    wanted_s: float, *, needed_s: float, left_s: float | None, until_deadline_s: float | None
) -> float | None:
    """Wall seconds that a campaign gives to a session, None when it could not save what it made.

    Args:
        wanted_s: What the card's profile allows, within what the platform allows.
        needed_s: To start, to save and to evaluate: a session without more than twice that trains next to nothing.
        left_s: Of the weekly quota or budget, None where nothing is counted.
        until_deadline_s: Until the campaign's own deadline, None without one.
    """
    wall_s = min(wanted_s, *(limit for limit in (left_s, until_deadline_s) if limit is not None), wanted_s)
    least_s = min(wanted_s, max(LEAST_USEFUL_S, 2.0 * needed_s))
    return wall_s if wall_s >= least_s else None
