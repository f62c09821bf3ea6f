"""What a trial still needs in training and sessions, and the trials that wait for it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.expansion import Variant
from orchestrator.core.campaign.trial_status import FINAL, TrialStatus
from orchestrator.core.scheduling.scheduler import ReadyTrial


@dataclass(frozen=True, kw_only=True)  # without slots: its wall is worked out once
class RemainingWork:
    """What one trial still needs.

    Attributes:
        train_s: Seconds of training that are left.
        session_s: Longest wall of one of its sessions.
        start_s: From the push to the first step.
        save_s: For the last save and the evaluation.
        after: Groups that must be complete first.
    """

    index: int
    group: str
    priority: int
    rank: int
    started: bool
    train_s: float
    session_s: float
    start_s: float
    save_s: float
    after: tuple[str, ...] = ()

    @property
    def overhead_s(self) -> float:
        """Seconds of each session in which nothing is trained."""
        return self.start_s + self.save_s

    @property
    def useful_s(self) -> float:
        """Seconds of training in a whole session."""
        return max(1.0, self.session_s - self.overhead_s)

    @property
    def too_short(self) -> bool:
        """Whether a whole session is assumed to train nothing."""
        return self.session_s <= self.overhead_s

    @property
    def sessions(self) -> int:
        """Sessions that it takes if each has its whole wall."""
        return self.sessions_of(self.train_s)

    @cached_property
    def wall_s(self) -> float:
        """Wall seconds of all its sessions."""
        return self.wall_of(self.train_s)

    def sessions_of(self, train_s: float) -> int:
        """Whole sessions that so much training takes."""
        return max(1, math.ceil(train_s / self.useful_s - 1e-9))

    def wall_of(self, train_s: float) -> float:
        """Wall seconds of all sessions that so much training takes."""
        sessions = self.sessions_of(train_s)
        # The latter where a session is assumed too short for its overhead.
        return min(train_s + sessions * self.overhead_s, sessions * self.session_s)

    def trained_in(self, wall_s: float, sessions: int) -> float:
        """Seconds of training in sessions that take so long together; as in `useful_s`, at least one in each."""
        return max(float(sessions), wall_s - sessions * self.overhead_s)


def chains_s(loads: Iterable[RemainingWork]) -> dict[str, float]:
    """For each group the wall seconds of the longest chain of trials that wait for it, itself not counted."""
    longest: dict[str, float] = {}
    afters: dict[str, tuple[str, ...]] = {}
    for load in loads:
        group = load.group
        if load.wall_s > longest.get(group, -1.0):
            longest[group] = load.wall_s
            afters[group] = load.after
    behind = dict.fromkeys(longest, 0.0)

    def below(group: str) -> float:
        waiting = [other for other, after in afters.items() if group in after]
        return max((longest[other] + below(other) for other in waiting), default=0.0)

    for group in behind:
        behind[group] = below(group)
    return behind


def ready_trial(load: RemainingWork, behind_s: float, left_s: float | None = None) -> ReadyTrial:
    """A load as one that waits for a slot.

    Args:
        left_s: Seconds of training that are left of one that has begun meanwhile.
    """
    own_s = load.wall_s if left_s is None else load.wall_of(left_s)
    return ReadyTrial(
        index=load.index,
        priority=load.priority,
        rank=load.rank,
        started=load.started or left_s is not None,
        own_s=own_s,
        chain_s=own_s + behind_s,
    )


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
