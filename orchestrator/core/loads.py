"""From standings to what is left to compute: measured speed where there is one, the campaign's assumption elsewhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.expansion import Variant
from orchestrator.core.campaign.trial_status import FINAL, TrialStatus
from orchestrator.core.scheduling.workload import RemainingWork

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


class Measured:
    """What all closed sessions of each variant trained, and how long they took; kept as standings change.

    In whole microseconds: a sum is then the same in whatever order its parts came and went.
    """

    def __init__(self, campaign: Campaign) -> None:
        self._assumed = campaign.assume.steps_per_s
        self._overhead_s = campaign.assume.start_s + campaign.assume.save_s
        self._steps: defaultdict[int, int] = defaultdict(int)
        self._train_us: defaultdict[int, int] = defaultdict(int)

    def count(self, one: TrialStatus, sign: int = 1) -> None:
        """Take a trial's sessions in or, with -1, out again."""
        if one.trained_steps and one.wall_s:
            index = one.trial.variant.index
            train_s = max(_LEAST_WALL_SHARE * one.wall_s, one.wall_s - one.sessions * self._overhead_s)
            self._steps[index] += sign * one.trained_steps
            self._train_us[index] += sign * max(1, round(train_s * 1e6))

    def speeds(self) -> Speeds:
        """Of each variant by its own sessions, never by those of another."""
        # Three digits: it is not known better, and what follows from an unchanged one need not be worked out again.
        measured = {
            index: float(f"{steps / self._train_us[index] * 1e6:.3g}") for index, steps in self._steps.items() if steps
        }
        return Speeds(measured=measured, assumed=self._assumed)


def speeds(campaign: Campaign, standings: Sequence[TrialStatus]) -> Speeds:
    """Measured over all closed sessions of each variant; never over those of another."""
    measured = Measured(campaign)
    for one in standings:
        measured.count(one)
    return measured.speeds()


def remaining_work_of(
    campaign: Campaign, standing: TrialStatus, speed: float, longest_s: float | None
) -> RemainingWork:
    """What one trial still needs.

    Args:
        speed: Steps per second.
        longest_s: Longest session of the backend, None without a limit.
    """
    trial, deadline_s = standing.trial, standing.trial.variant.sizes.deadline_s
    return RemainingWork(
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


def remaining_work(
    campaign: Campaign, standings: Sequence[TrialStatus], longest_s: float | None
) -> list[RemainingWork]:
    """What every trial that is not final still needs; those that run count as if they had not begun to."""
    rates = speeds(campaign, standings)
    return [
        remaining_work_of(campaign, one, rates.of(one.trial.variant), longest_s)
        for one in standings
        if one.state not in FINAL
    ]
