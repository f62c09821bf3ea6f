"""How much a campaign may still compute this week: the service's quota, its own budget, and what flies already."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from orchestrator.core.ledger.records import SessionRecord, Stage
from orchestrator.core.scheduling.forecast import WEEK_S, Allowance
from orchestrator.core.session.backend_types import Quota


def week_of(now: datetime, quota: Quota | None) -> tuple[datetime, datetime]:
    """Beginning and end of the week under way: the service's where it tells, else Monday to Monday, UTC."""
    if quota is not None and quota.refresh_at is not None:
        end = quota.refresh_at
        while end <= now:  # an answer of last week
            end += timedelta(seconds=WEEK_S)
        return end - timedelta(seconds=WEEK_S), end
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    start = midnight - timedelta(days=midnight.weekday())
    return start, start + timedelta(seconds=WEEK_S)


def promised_s(live: Sequence[SessionRecord]) -> float:
    """Wall seconds that sessions in flight may still use: all that they were given, nobody knows how far they are."""
    return sum(float(one.ticket["spec"]["deadline_s"]) for one in live)


def spent_s(sessions: Sequence[SessionRecord], since: datetime) -> float:
    """Wall seconds of closed sessions that began since a moment; of one without an account, all that it was given."""
    return sum(
        float(one.ticket["spec"]["deadline_s"]) if one.wall_s is None else one.wall_s
        for one in sessions
        if one.stage is Stage.CLOSED and not one.never_submitted and one.began_at >= since
    )


def allowance(
    now: datetime,
    *,
    quota: Quota | None,
    budget_s: float | None,
    spent_s: float,
    promised_s: float,
    played_again: bool = False,
) -> Allowance | None:
    """What new sessions may use, None where nothing is counted.

    Args:
        quota: The service's answer, None where it counts nothing.
        budget_s: Of every week, the campaign's own; None for none.
        spent_s: What the campaign's closed sessions used of this week.
        promised_s: What its sessions in flight may still use.
        played_again: Whether the caller plays these once more from their start, as a forecast does: what they hold
            must then not be taken off as well.
    """
    if quota is None and budget_s is None:
        return None
    left_s, weekly_s = float("inf"), float("inf")
    if quota is not None:
        # What the service holds back for running sessions is theirs already; only the rest of it is ours to add.
        reserved_s = quota.reserved_s
        held_s = max(0.0, reserved_s - promised_s) if played_again else max(reserved_s, promised_s)
        left_s, weekly_s = quota.allowed_s - quota.used_s - held_s, quota.allowed_s
    if budget_s is not None:
        held_s = 0.0 if played_again else promised_s
        left_s, weekly_s = min(left_s, budget_s - spent_s - held_s), min(weekly_s, budget_s)
    _, end = week_of(now, quota)
    return Allowance(left_s=max(0.0, left_s), weekly_s=weekly_s, refresh_in_s=(end - now).total_seconds())
