"""What a campaign's plan says about each of its backends, as plain JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.trial_status import State, TrialStatus
from orchestrator.core.scheduling.simulation import Forecast
from orchestrator.core.section.site import Site


def backend_rows(
    campaign: Campaign, statuses: Sequence[TrialStatus], ahead: Forecast, per_week: Mapping[Site, float]
) -> dict[str, Any]:
    """Backend -> its slots, sessions in flight and to come, and the trainings a week that it can complete.

    Args:
        ahead: Forecast of the sessions to come.
        per_week: Site -> trainings that its sessions can complete in a full week.
    """
    rows: dict[str, Any] = {}
    for backend in campaign.limits:
        live = [one for one in statuses if one.state is State.LIVE and one.site is not None]
        own = [found for site, found in ahead.sites.items() if site.backend == backend]
        weekly = sum(number for site, number in per_week.items() if site.backend == backend)
        rows[backend] = {
            "slots": campaign.slots.of_backend(backend),
            "in_flight": sum(one.site is not None and one.site.backend == backend for one in live),
            **to_come(sum(sessions for sessions, _ in own), sum(wall_s for _, wall_s in own)),
            "trainings_per_week": round(weekly, 1),
        }
    return rows


def to_come(sessions: int, wall_s: float) -> dict[str, Any]:
    """Sessions, and the wall seconds of their kernels as hours."""
    return {"sessions": sessions, "compute_h": round(wall_s / 3600, 2)}


def site_word(site: Site) -> str:
    """A site as a key: the kind on Kaggle, else the backend."""
    return site.kind.value if site.kind else site.backend
