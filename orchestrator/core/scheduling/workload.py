"""What each trial still needs in training and sessions, and the trials that depend on it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.expansion import Variant
from orchestrator.core.campaign.trial_status import FINAL, TrialStatus
from orchestrator.core.scheduling.scheduler import ReadyTrial


@dataclass(frozen=True, slots=True, kw_only=True)
class RemainingWork:
    """What one trial still needs.

    Attributes:
        index: Place of the trial in the campaign.
        train_s: Seconds of training that are left.
        session_s: Longest wall time of one of its sessions.
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
        """Seconds of each session without training."""
        return self.start_s + self.save_s

    @property
    def useful_s(self) -> float:
        """Seconds of training in a full session."""
        return max(1.0, self.session_s - self.overhead_s)

    @property
    def too_short(self) -> bool:
        """Whether a full session is assumed to train nothing."""
        return self.session_s <= self.overhead_s

    @property
    def sessions(self) -> int:
        """Number of full sessions that it needs."""
        return self.sessions_of(self.train_s)

    @property
    def wall_s(self) -> float:
        """Wall seconds of all its sessions."""
        return self.wall_of(self.train_s)

    def sessions_of(self, train_s: float) -> int:
        """Number of full sessions for `train_s` seconds of training."""
        return max(1, math.ceil(train_s / self.useful_s - 1e-9))

    def wall_of(self, train_s: float) -> float:
        """Wall seconds of all sessions for `train_s` seconds of training."""
        sessions = self.sessions_of(train_s)
        # The second value applies where a session is assumed to be shorter than its overhead.
        return min(train_s + sessions * self.overhead_s, sessions * self.session_s)

    def trained_in(self, wall_s: float, sessions: int) -> float:
        """Seconds of training in sessions of `wall_s` in total; at least one second in each, as in `useful_s`."""
        return max(float(sessions), wall_s - sessions * self.overhead_s)


def chains_s(work: Iterable[RemainingWork]) -> dict[str, float]:
    """For each group, wall seconds of the longest chain of trials that depend on it, without the group itself."""
    longest: dict[str, float] = {}
    afters: dict[str, tuple[str, ...]] = {}
    for one in work:
        wall_s = one.wall_s
        if wall_s > longest.get(one.group, -1.0):
            longest[one.group] = wall_s
            afters[one.group] = one.after

    def chain_s(group: str) -> float:
        dependents = [other for other, after in afters.items() if group in after]
        return max((longest[other] + chain_s(other) for other in dependents), default=0.0)

    return {group: chain_s(group) for group in longest}


def ready_trial(work: RemainingWork, chain_s: float, left_s: float | None = None) -> ReadyTrial:
    """The trial as the scheduler takes it.

    Args:
        chain_s: Longest chain of trials that depend on its group.
        left_s: Seconds of training that are left if it has trained since `work` was computed.
    """
    own_s = work.wall_s if left_s is None else work.wall_of(left_s)
    return ReadyTrial(
        index=work.index,
        priority=work.priority,
        rank=work.rank,
        started=work.started or left_s is not None,
        own_s=own_s,
        chain_s=own_s + chain_s,
    )


_LEAST_WALL_SHARE = 0.05
"""At least this share of a measured session counts as training, however long start and save are assumed to be."""


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


def speeds(campaign: Campaign, statuses: Sequence[TrialStatus]) -> Speeds:
    """Speed of each variant, measured over its own closed sessions only; three significant digits."""
    overhead_s = campaign.assume.start_s + campaign.assume.save_s
    steps: defaultdict[int, int] = defaultdict(int)
    train_s: defaultdict[int, float] = defaultdict(float)
    for one in statuses:
        if one.trained_steps and one.wall_s:
            index = one.trial.variant.index
            steps[index] += one.trained_steps
            train_s[index] += max(_LEAST_WALL_SHARE * one.wall_s, one.wall_s - one.sessions * overhead_s)
    measured = {index: float(f"{steps[index] / train_s[index]:.3g}") for index in steps}
    return Speeds(measured=measured, assumed=campaign.assume.steps_per_s)


def remaining_work_of(campaign: Campaign, status: TrialStatus, speed: float, longest_s: float | None) -> RemainingWork:
    """What one trial still needs.

    Args:
        speed: Steps per second.
        longest_s: Longest session of the backend, None without a limit.
    """
    trial, deadline_s = status.trial, status.trial.variant.sizes.deadline_s
    session_s = min(deadline_s, longest_s or deadline_s)
    if trial.target_steps is None:  # its section decides when it ends: one full session is assumed
        train_s = max(1.0, session_s - campaign.assume.start_s - campaign.assume.save_s)
    else:
        train_s = max(0, trial.target_steps - status.steps_done) / speed
    return RemainingWork(
        index=trial.index,
        group=trial.variant.group,
        priority=trial.variant.priority,
        rank=trial.rank,
        started=status.steps_done > 0,
        train_s=train_s,
        session_s=session_s,
        start_s=campaign.assume.start_s,
        save_s=campaign.assume.save_s,
        after=trial.variant.after,
    )


def remaining_work(campaign: Campaign, statuses: Sequence[TrialStatus], longest_s: float | None) -> list[RemainingWork]:
    """What every trial without a final state still needs; sessions in flight count as not started."""
    rates = speeds(campaign, statuses)
    return [
        remaining_work_of(campaign, one, rates.of(one.trial.variant), longest_s)
        for one in statuses
        if one.state not in FINAL
    ]
