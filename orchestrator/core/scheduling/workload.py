"""What each trial still needs in training and sessions, and the trials that depend on it."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.trial_status import FINAL, TrialStatus
from orchestrator.core.scheduling.placement import may_move, possible_sites
from orchestrator.core.scheduling.scheduler import ReadyTrial
from orchestrator.core.scheduling.speeds import Speeds, speeds
from orchestrator.core.section.session_kind import SessionKind
from orchestrator.core.section.site import Site


@dataclass(frozen=True, slots=True)
class Option:
    """A site at which a trial may run.

    Attributes:
        slowness: Seconds of training there per second of `RemainingWork.train_s`.
        session_s: Longest wall time of one of its sessions there.
    """

    site: Site
    slowness: float
    session_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RemainingWork:
    """What one trial still needs.

    Attributes:
        index: Place of the trial in the campaign.
        train_s: Seconds of training that are left, at the first option.
        session_s: Longest wall time of one of its sessions, at the first option.
        start_s: From the push to the first step.
        save_s: For the last save and the evaluation.
        after: Groups that must be complete first.
        options: Where it may run, the better site first; empty if the campaign has none for it.
        site: The site that it keeps, the first option; None if it has not begun at one of the campaign's.
        moves: Whether it may go on on another backend while its own takes no sessions.
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
    options: tuple[Option, ...]
    site: Site | None = None
    moves: bool = False

    @property
    def best(self) -> Site:
        """The first of its sites."""
        return self.options[0].site

    @property
    def sites(self) -> tuple[Site, ...]:
        """Where it may run, the better site first."""
        return tuple(option.site for option in self.options)

    def within(self, shut: Container[Site]) -> tuple[Option, ...]:
        """Where its next session may run, the better site first.

        Args:
            shut: Sites that take no sessions for long: a trial that has begun there may go on elsewhere.
        """
        if self.site is None:
            return self.options
        return self.options if self.moves and self.site in shut else self.options[:1]

    def slowness(self, site: Site) -> float:
        """Seconds of training at a site per second of `train_s`."""
        return next(option.slowness for option in self.options if option.site == site)

    def placed(self, site: Site) -> RemainingWork:
        """The same work once it has begun at a site: it keeps it, and may move to other backends only."""
        if self.site == site or (len(self.options) == 1 and self.best == site):
            return self
        own = next(option for option in self.options if option.site == site)
        others = [option for option in self.options if option.site.backend != site.backend] if self.moves else []
        return replace(
            self,
            train_s=self.train_s * own.slowness,
            session_s=own.session_s,
            options=(
                Option(site, 1.0, own.session_s),
                *(Option(one.site, one.slowness / own.slowness, one.session_s) for one in others),
            ),
            site=site,
        )

    def better_elsewhere(self, site: Site, wall_s: float, until_deadline_s: float | None) -> bool:
        """Whether the quota cuts the first session of a trial to `wall_s` that may begin without quota as well.

        In the GPU session it would keep that site and wait for the next week's quota.
        """
        if site.kind is not SessionKind.GPU or self.site is not None or len(self.options) < 2:
            return False
        placed = self.placed(site)
        whole_s = min(placed.session_s, placed.wall_s)
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


LongestSessions = Mapping[str, float | None]
"""Backend -> wall seconds of its longest session, None without a limit; no limit for one that is not named."""


def remaining_work_of(
    campaign: Campaign, status: TrialStatus, rates: Speeds, longest_s: LongestSessions, speed: float | None = None
) -> RemainingWork:
    """What one trial still needs.

    Args:
        rates: Steps per second of every variant.
        speed: Steps per second at an unmeasured site; None for those of its variant.
    """
    trial, deadline_s = status.trial, status.trial.variant.sizes.deadline_s
    measured = rates.of_sites(trial.variant)
    sites, usual = possible_sites(campaign, status, measured), speed or rates.of(trial.variant)
    first = measured.get(sites[0], usual) if sites else usual
    walls_s = [min(deadline_s, longest_s.get(site.backend) or deadline_s) for site in sites]
    session_s = walls_s[0] if walls_s else deadline_s
    if trial.target_steps is None:  # its section decides when it ends: one full session is assumed
        train_s = max(1.0, session_s - campaign.assume.start_s - campaign.assume.save_s)
    else:
        train_s = max(0, trial.target_steps - status.steps_done) / first
    slowness = [1.0 if trial.target_steps is None else first / measured.get(site, usual) for site in sites]
    begun = bool(sites) and status.site is not None and status.site.backend == sites[0].backend
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
        options=tuple(map(Option, sites, slowness, walls_s)),
        site=sites[0] if begun else None,
        moves=len(campaign.limits) > 1 and may_move(status),
    )


def remaining_work(
    campaign: Campaign, statuses: Sequence[TrialStatus], longest_s: LongestSessions
) -> list[RemainingWork]:
    """What every trial without a final state still needs; sessions in flight count as not started."""
    rates = speeds(campaign, statuses)
    return [remaining_work_of(campaign, one, rates, longest_s) for one in statuses if one.state not in FINAL]
