"""What each trial still needs in training and sessions, and the trials that depend on it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.expansion import Variant
from orchestrator.core.campaign.trial_status import FINAL, TrialStatus
from orchestrator.core.scheduling.placement import possible_kinds
from orchestrator.core.scheduling.scheduler import ReadyTrial
from orchestrator.core.section.session_kind import SessionKind


@dataclass(frozen=True, slots=True, kw_only=True)
class RemainingWork:
    """What one trial still needs.

    Attributes:
        index: Place of the trial in the campaign.
        train_s: Seconds of training that are left, in the first of `kinds`.
        session_s: Longest wall time of one of its sessions.
        start_s: From the push to the first step.
        save_s: For the last save and the evaluation.
        after: Groups that must be complete first.
        kinds: Kinds of session in which it may run, the better one first; empty if the campaign has none for it.
        slowness: For each kind, seconds of training per second in the first one.
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
    kinds: tuple[SessionKind, ...] = (SessionKind.GPU,)
    slowness: tuple[float, ...] = (1.0,)

    def placed(self, kind: SessionKind) -> RemainingWork:
        """The same work once it has begun in sessions of one kind: it keeps that kind."""
        if self.kinds == (kind,):
            return self
        train_s = self.train_s * self.slowness[self.kinds.index(kind)]
        return replace(self, train_s=train_s, kinds=(kind,), slowness=(1.0,))

    def better_elsewhere(self, kind: SessionKind, wall_s: float, until_deadline_s: float | None) -> bool:
        """Whether the quota cuts the first session of a trial to `wall_s` that may begin in a CPU session as well.

        In the GPU session it would keep that kind and wait for the next week's quota.
        """
        if kind is not SessionKind.GPU or len(self.kinds) < 2:
            return False
        whole_s = min(self.session_s, self.placed(kind).wall_s)
        return wall_s < min(whole_s, whole_s if until_deadline_s is None else until_deadline_s) - 1e-6

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
        by_kind: Variant index and kind of session -> steps per second, where trials ran in one kind only.
    """

    measured: dict[int, float]
    assumed: float
    by_kind: dict[tuple[int, SessionKind], float] = field(default_factory=dict)

    def of(self, variant: Variant) -> float:
        """Steps per second of a variant."""
        return self.measured.get(variant.index, self.assumed)

    def of_kinds(self, variant: Variant) -> dict[SessionKind, float]:
        """Measured steps per second of a variant in sessions of each kind."""
        if not self.by_kind:
            return {}
        known = ((kind, self.by_kind.get((variant.index, kind))) for kind in SessionKind)
        return {kind: speed for kind, speed in known if speed is not None}


def speeds(campaign: Campaign, statuses: Sequence[TrialStatus]) -> Speeds:
    """Speed of each variant, measured over its own closed sessions only; three significant digits."""
    overhead_s = campaign.assume.start_s + campaign.assume.save_s
    steps: defaultdict[_Measured, int] = defaultdict(int)
    train_s: defaultdict[_Measured, float] = defaultdict(float)
    for one in statuses:
        if one.trained_steps and one.wall_s:
            seconds = train_seconds(one.wall_s, one.sessions, overhead_s)
            for key in ((one.trial.variant.index, None), *_with_kind(one)):
                steps[key] += one.trained_steps
                train_s[key] += seconds
    found = {key: float(f"{steps[key] / train_s[key]:.3g}") for key in steps}
    return Speeds(
        measured={index: speed for (index, kind), speed in found.items() if kind is None},
        assumed=campaign.assume.steps_per_s,
        by_kind={(index, kind): speed for (index, kind), speed in found.items() if kind is not None},
    )


_Measured = tuple[int, SessionKind | None]
"""Variant index, and the kind of session; None for all kinds together."""


def train_seconds(wall_s: float, sessions: int, overhead_s: float) -> float:
    """Seconds of training in measured sessions of `wall_s` in total.

    Args:
        overhead_s: Assumed for start, save and evaluation of each session.
    """
    return max(_LEAST_WALL_SHARE * wall_s, wall_s - sessions * overhead_s)


def _with_kind(status: TrialStatus) -> Iterator[_Measured]:
    if len(status.kinds) == 1:
        yield status.trial.variant.index, status.kinds[0]


def remaining_work_of(
    campaign: Campaign, status: TrialStatus, rates: Speeds, longest_s: float | None, speed: float | None = None
) -> RemainingWork:
    """What one trial still needs.

    Args:
        rates: Steps per second of every variant.
        speed: Steps per second in sessions of an unmeasured kind; None for those of its variant.
        longest_s: Longest session of the backend, None without a limit.
    """
    trial, deadline_s = status.trial, status.trial.variant.sizes.deadline_s
    session_s = min(deadline_s, longest_s or deadline_s)
    measured = rates.of_kinds(trial.variant)
    kinds = possible_kinds(campaign, status, measured) if campaign.backend == "kaggle" else (SessionKind.GPU,)
    speeds_of_kinds = [measured.get(kind, speed or rates.of(trial.variant)) for kind in kinds]
    first = speeds_of_kinds[0] if kinds else speed or rates.of(trial.variant)
    if trial.target_steps is None:  # its section decides when it ends: one full session is assumed
        train_s = max(1.0, session_s - campaign.assume.start_s - campaign.assume.save_s)
    else:
        train_s = max(0, trial.target_steps - status.steps_done) / first
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
        kinds=kinds,
        slowness=tuple(1.0 if trial.target_steps is None else first / one for one in speeds_of_kinds),
    )


def remaining_work(campaign: Campaign, statuses: Sequence[TrialStatus], longest_s: float | None) -> list[RemainingWork]:
    """What every trial without a final state still needs; sessions in flight count as not started."""
    rates = speeds(campaign, statuses)
    return [remaining_work_of(campaign, one, rates, longest_s) for one in statuses if one.state not in FINAL]
