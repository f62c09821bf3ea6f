"""How fast each variant of a campaign trains, measured over its own sessions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.expansion import Variant
from orchestrator.core.campaign.trial_status import TrialStatus
from orchestrator.core.section.site import Site

_LEAST_WALL_SHARE = 0.05
"""At least this share of a measured session counts as training, however long start and save are assumed to be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speeds:
    """Steps per second of each variant.

    Attributes:
        measured: Variant index -> steps per second.
        assumed: For all others.
        by_site: Variant index -> steps per second at each site, where trials ran at one site only.
    """

    measured: dict[int, float]
    assumed: float
    by_site: Mapping[int, Mapping[Site, float]] = field(default_factory=dict)

    def of(self, variant: Variant) -> float:
        """Steps per second of a variant."""
        return self.measured.get(variant.index, self.assumed)

    def of_sites(self, variant: Variant) -> Mapping[Site, float]:
        """Measured steps per second of a variant at each site."""
        return self.by_site.get(variant.index, {})


def speeds(campaign: Campaign, statuses: Sequence[TrialStatus]) -> Speeds:
    """Speed of each variant, measured over its own closed sessions only; three significant digits."""
    overhead_s = campaign.assume.start_s + campaign.assume.save_s
    steps: defaultdict[_Measured, int] = defaultdict(int)
    train_s: defaultdict[_Measured, float] = defaultdict(float)
    for one in statuses:
        if one.trained_steps and one.wall_s:
            seconds = train_seconds(one.wall_s, one.sessions, overhead_s)
            for key in ((one.trial.variant.index, None), *_with_site(one)):
                steps[key] += one.trained_steps
                train_s[key] += seconds
    found = {key: float(f"{steps[key] / train_s[key]:.3g}") for key in steps}
    by_site: defaultdict[int, dict[Site, float]] = defaultdict(dict)
    for (index, site), speed in found.items():
        if site is not None:
            by_site[index][site] = speed
    return Speeds(
        measured={index: speed for (index, site), speed in found.items() if site is None},
        assumed=campaign.assume.steps_per_s,
        by_site=by_site,
    )


_Measured = tuple[int, Site | None]
"""Variant index, and the site; None for all sites together."""


def train_seconds(wall_s: float, sessions: int, overhead_s: float) -> float:
    """Seconds of training in measured sessions of `wall_s` in total.

    Args:
        overhead_s: Assumed for start, save and evaluation of each session.
    """
    return max(_LEAST_WALL_SHARE * wall_s, wall_s - sessions * overhead_s)


def _with_site(status: TrialStatus) -> Iterator[_Measured]:
    if len(status.sites) == 1:
        yield status.trial.variant.index, status.sites[0]
