"""The weeks of a backend's quota that sessions touch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from orchestrator.core.ledger.records import SessionRecord
from orchestrator.core.page.sessions import Week
from orchestrator.core.scheduling.quota import WEEK_S, spent_s, week_of
from orchestrator.core.session.time_budget import Quota

_MOST = 520
"""Ten years: a clock that was wrong must not make a page of a million weeks."""


def weeks_of(
    sessions: Sequence[SessionRecord], quotas: Mapping[str, Quota | None], now: datetime, unlimited: str
) -> tuple[Week, ...]:
    """The weeks in which sessions began, with the time that they used; a session counts in the week of its beginning.

    Args:
        quotas: Backend -> its quota, which states when a week begins and how much it allows. Without an answer weeks
            begin on Monday, UTC, as in the campaign's own budget.
        unlimited: Name of the backend that has no quota.
    """
    found: list[Week] = []
    for backend in sorted({one.backend for one in sessions} - {unlimited}):
        own = [one for one in sessions if one.backend == backend and not one.never_submitted and one.spends_quota]
        quota = quotas.get(backend)
        _, reference = week_of(now, quota)
        for begins in sorted({_begin(one.began_at, reference) for one in own})[-_MOST:]:
            ends = begins + timedelta(seconds=WEEK_S)
            of_week = [one for one in own if _begin(one.began_at, reference) == begins]
            found.append(
                Week(
                    backend=backend,
                    begins_at=begins.isoformat(),
                    ends_at=ends.isoformat(),
                    used_s=round(spent_s(of_week, begins), 3),
                    limit_s=None if quota is None else quota.allowed_s,
                )
            )
    return tuple(found)


def _begin(at: datetime, reference: datetime) -> datetime:
    """Begin of the week of a time, where `reference` is the end of any week."""
    week = timedelta(seconds=WEEK_S)
    return (reference + (at - reference) // week * week).astimezone(UTC)
