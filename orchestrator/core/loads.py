"""From standings to what is left to compute: measured speed where there is one, the campaign's assumption elsewhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.core.campaigns import Campaign
from orchestrator.core.expansion import Variant
from orchestrator.core.needs import Load
from orchestrator.core.standings import FINAL, Standing

_LEAST_WALL_SHARE = 0.05
"""Of a measured session at least this share is taken for training, however long its start and save are assumed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speeds:
    """Steps per second of each variant.

    Attributes:
        measured: Variant index -> steps per second.
        assumed: For all others.
    """

    measured: dict[int, float]
    assumed: float

    def of(self, variant: Variant) -> float:
        """Steps per second of a variant."""
        return self.measured.get(variant.index, self.assumed)


def speeds(campaign: Campaign, standings: Sequence[Standing]) -> Speeds:
    """Measured over all closed sessions of each variant; never over those of another."""
    steps: defaultdict[int, int] = defaultdict(int)
    train_s: defaultdict[int, float] = defaultdict(float)
    overhead_s = campaign.assume.start_s + campaign.assume.save_s
    for one in standings:
        if one.trained_steps and one.wall_s:
            index = one.trial.variant.index
            steps[index] += one.trained_steps
            train_s[index] += max(_LEAST_WALL_SHARE * one.wall_s, one.wall_s - one.sessions * overhead_s)
    # Three digits: a speed is not known better, and what follows from an unchanged one need not be worked out again.
    measured = {index: float(f"{steps[index] / train_s[index]:.3g}") for index in steps}
    return Speeds(measured=measured, assumed=campaign.assume.steps_per_s)


def load_of(campaign: Campaign, standing: Standing, speed: float, longest_s: float | None) -> Load:
    """What one trial still needs.

    Args:
        speed: Steps per second.
        longest_s: Longest session of the backend, None without a limit.
    """
    trial, deadline_s = standing.trial, standing.trial.variant.sizes.deadline_s
    return Load(
        index=trial.index,
        group=trial.variant.group,
        priority=trial.variant.priority,
        rank=trial.rank,
        started=standing.steps_done > 0,
        train_s=max(0, trial.target_steps - standing.steps_done) / speed,
        session_s=min(deadline_s, longest_s or deadline_s),
        start_s=campaign.assume.start_s,
        save_s=campaign.assume.save_s,
        after=trial.variant.after,
    )


Known = dict[int, tuple[Standing, float, Load]]
"""Trial -> its load, and the standing and speed that it was worked out from."""


def loads(
    campaign: Campaign, standings: Sequence[Standing], longest_s: float | None, known: Known | None = None
) -> list[Load]:
    """What every trial that is not final still needs; those that run count as if they had not begun to.

    Args:
        known: Of an earlier call; what is still true of it is taken from there, and it is brought up to date.
    """
    rates, found = speeds(campaign, standings), list[Load]()
    known = {} if known is None else known
    for one in standings:
        if one.state in FINAL:
            continue
        speed = rates.of(one.trial.variant)
        earlier = known.get(one.trial.index)
        if earlier is None or earlier[0] is not one or earlier[1] != speed:
            earlier = known[one.trial.index] = (one, speed, load_of(campaign, one, speed, longest_s))
        found.append(earlier[2])
    return found
