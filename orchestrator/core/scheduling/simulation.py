"""Simulates the rest of a campaign on a virtual clock, in the scheduler's own order."""

from __future__ import annotations

import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from orchestrator.core.campaign.session_slots import Slots
from orchestrator.core.scheduling.packs import Packing, are_alike, joining, prefers_alike
from orchestrator.core.scheduling.quota import Allowance, QuotaCourse
from orchestrator.core.scheduling.scheduler import ListScheduler, ReadyTrial
from orchestrator.core.scheduling.workload import RemainingWork, chains_s, ready_trial
from orchestrator.core.section.site import Site
from orchestrator.core.session.time_budget import next_wall_s

_NOTHING_S = 1e-6
_MOST_PASSED_OVER = 20
"""Trials in a row that fit no free slot, after which the rest is not tried: bounds the time of a forecast."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The expected course of a campaign.

    Attributes:
        kernels: From now on; each runs one session, or several of a pack.
        sessions: In them.
        compute_s: Wall seconds of all kernels together.
        sites: Site -> its sessions, and the wall seconds of its kernels together.
        makespan_s: Until the last session ends, from now.
        bound_s: Lower bound of `makespan_s`: work over slots, or the longest chain; without quota.
        weeks: Seconds of quota used in each week, the current one first; empty without a quota.
        unfinished: Indices of trials that cannot be completed before the deadline or within the quota.
    """

    kernels: int
    sessions: int
    compute_s: float
    makespan_s: float
    bound_s: float
    weeks: tuple[float, ...] = ()
    unfinished: tuple[int, ...] = ()
    sites: Mapping[Site, tuple[int, float]] = field(default_factory=dict)


class _Block(NamedTuple):
    """Back-to-back sessions of one trial that no other can interrupt, all but the last equally long; or one pack."""

    ends_s: float
    trials: tuple[int, ...]
    started_s: float
    wall_s: float
    sessions: int
    site: Site


class Simulation:
    """The state of the simulated campaign: what runs, what waits, what is left of the week."""

    def __init__(
        self,
        work: Sequence[RemainingWork],
        slots: Slots,
        allowance: Allowance | None,
        deadline_in_s: float | None,
        packing: Packing,
    ) -> None:
        self._slots, self._packing, self._seats = slots, packing, packing.seats(slots)
        self._deadline_in_s = deadline_in_s
        self._chains_s = chains_s(work)
        self._work = {one.index: one for one in work}
        self._train_s = {one.index: one.train_s for one in work}
        self._open_trials = Counter(one.group for one in work)
        walls_s = {one.index: one.wall_s for one in work}
        self._work_s = sum(walls_s.values())
        self._longest_s = max((walls_s[one.index] + self._chains_s[one.group] for one in work), default=0.0)
        self._scheduler = ListScheduler((), slots=self._seats, work_s=self._work_s, open_s=0.0)
        self._blocked = list(work)
        self._running: list[_Block] = []
        self._in_use: Counter[Site] = Counter()
        self._now_s = self._ended_s = 0.0
        self._kernels = self._idle_weeks = 0
        self._sessions: Counter[Site] = Counter()
        self._compute_s: defaultdict[Site, float] = defaultdict(float)
        self._sites = {site for one in work for site in one.sites}
        self._quota = QuotaCourse(allowance, slots.metered)

    def run(self) -> Forecast:
        """Simulate until nothing runs and nothing more can start."""
        self._unblock()
        while True:
            self._start_all()
            if self._running and self._running[0].ends_s <= self._quota.refresh_s:
                self._end_next()
            elif (not self._running and not len(self._scheduler)) or not self._next_week():
                break
        return Forecast(
            kernels=self._kernels,
            sessions=self._sessions.total(),
            compute_s=math.fsum(self._compute_s.values()),
            sites={
                site: (number, self._compute_s[site]) for site in self._slots.sites if (number := self._sessions[site])
            },
            makespan_s=self._ended_s,
            bound_s=max(self._work_s / self._seats, self._longest_s),
            weeks=tuple(self._quota.weeks),
            unfinished=tuple(sorted(index for index, left_s in self._train_s.items() if left_s > _NOTHING_S)),
        )

    def _start_all(self) -> None:
        """Start trials in the scheduler's order while any site has a free slot and time for them."""
        open_sites, passed_over = set(self._sites), list[ReadyTrial]()
        while any(self._slots.has_free(site, self._in_use) for site in open_sites):
            trial = self._scheduler.take() if len(passed_over) < _MOST_PASSED_OVER else None
            if trial is None:
                break
            if not self._start(trial, open_sites):
                passed_over.append(trial)
        for trial in passed_over:
            self._scheduler.add(trial)

    def _start(self, trial: ReadyTrial, open_sites: set[Site]) -> bool:
        """Start a trial at the best site that takes it; remove sites without enough time left from `open_sites`."""
        whole = self._work[trial.index]
        for option in whole.options:
            site = option.site
            if option is not whole.options[0] and whole.site in open_sites:
                return False  # it waits for its own site
            if site not in open_sites or not self._slots.has_free(site, self._in_use):
                continue
            left_s, work = self._train_s[whole.index] * option.slowness, whole.placed(site)
            wall_s = self._wall_s(work, site, left_s)
            if wall_s is None:
                open_sites.discard(site)
                continue
            if whole.better_elsewhere(site, wall_s, self._until_deadline_s):
                continue
            self._work[work.index], self._train_s[work.index] = work, left_s
            self._idle_weeks = 0
            self._in_use[site] += 1
            if self._packing.places.get(site, 1) > 1:
                self._start_pack(trial, whole.best, site, wall_s)
                return True
            count = self._back_to_back(trial, work, wall_s)
            all_s = min(count * wall_s, left_s + count * work.overhead_s) if count > 1 else wall_s
            heapq.heappush(self._running, _Block(self._now_s + all_s, (work.index,), self._now_s, wall_s, count, site))
            self._charge(site, count, all_s)
            self._count(work, count, all_s, work.trained_in(all_s, count))
            return True
        return False

    def _start_pack(self, first: ReadyTrial, best: Site, site: Site, wall_s: float) -> None:
        """Start one session each of a trial and of others that take about as long, in one kernel."""
        walls_s, shares = {first.index: wall_s}, self._packing.shares

        def fits(other: ReadyTrial) -> bool:
            work = self._work[other.index]
            if not prefers_alike(best, work, site) or shares.get(first.index) != shares.get(work.index):
                return False
            left_s = self._train_s[work.index] * work.slowness(site)
            own_s = self._wall_s(work.placed(site), site, left_s)
            if own_s is None or not are_alike(wall_s, own_s):
                return False
            self._work[work.index], self._train_s[work.index] = work.placed(site), left_s
            walls_s[work.index] = own_s
            return True

        _, passed = joining(first, self._packing.places[site], self._scheduler.take, fits)
        for other in passed:
            self._scheduler.add(other)
        longest_s = max(walls_s.values())
        heapq.heappush(self._running, _Block(self._now_s + longest_s, tuple(walls_s), self._now_s, longest_s, 1, site))
        self._charge(site, 1, longest_s)
        for index, own_s in walls_s.items():
            self._count(self._work[index], 1, own_s, self._work[index].trained_in(own_s, 1))

    def _back_to_back(self, trial: ReadyTrial, work: RemainingWork, wall_s: float) -> int:
        """Number of back-to-back sessions of this length before the scheduler must choose again."""
        if wall_s < work.session_s:
            return 1
        room_s = min(self._scheduler.uninterrupted_s(trial), self._quota.refresh_s - self._now_s)
        if self._deadline_in_s is not None:
            room_s = min(room_s, self._deadline_in_s - self._now_s)
        if (left_s := self._quota.left_s_of(work.best)) is not None:
            room_s = min(room_s, left_s / self._slots.of(work.best))  # the other slots need their share of the week
        return max(1, int(min(work.sessions_of(self._train_s[work.index]), room_s / wall_s)))

    def _count(self, work: RemainingWork, sessions: int, wall_s: float, trained_s: float) -> None:
        """Add started sessions to the totals; negative values remove sessions that do not run after all."""
        self._sessions[work.best] += sessions
        self._train_s[work.index] -= trained_s
        self._scheduler.started(wall_s)

    def _charge(self, site: Site, kernels: int, wall_s: float) -> None:
        """Add started kernels to the hours and the quota; negative values as in `_count`."""
        self._kernels += kernels
        self._compute_s[site] += wall_s
        self._quota.use(site, wall_s)

    def _end_next(self) -> None:
        block = heapq.heappop(self._running)
        self._now_s = self._ended_s = block.ends_s
        self._in_use[block.site] -= 1
        for index in block.trials:
            self._end_session(index)

    def _end_session(self, index: int) -> None:
        work, left_s = self._work[index], self._train_s[index]
        if left_s > _NOTHING_S:
            self._scheduler.add(ready_trial(work, self._chains_s[work.group], left_s))
            return
        self._open_trials[work.group] -= 1
        if self._open_trials[work.group] == 0:
            self._cut_blocks()
            self._unblock()

    def _cut_blocks(self) -> None:
        """End every block with its current session: the trials of an unblocked group may go before the rest."""
        for place, block in enumerate(self._running):
            begun = max(1, math.ceil((self._now_s - block.started_s) / block.wall_s - 1e-9))
            if begun < block.sessions:
                (index,), planned_s, kept_s = block.trials, block.ends_s - block.started_s, begun * block.wall_s
                work = self._work[index]
                untrained_s = work.trained_in(planned_s, block.sessions) - work.trained_in(kept_s, begun)
                self._charge(block.site, begun - block.sessions, kept_s - planned_s)
                self._count(work, begun - block.sessions, kept_s - planned_s, -untrained_s)
                self._running[place] = block._replace(ends_s=block.started_s + kept_s, sessions=begun)
        heapq.heapify(self._running)

    def _next_week(self) -> bool:
        """Advance to the next quota refresh; False if that cannot help."""
        self._idle_weeks += 1
        refresh_s = self._quota.refresh_s
        if self._idle_weeks > 2 or (self._deadline_in_s or math.inf) <= refresh_s or not self._quota.refresh():
            return False
        self._now_s = refresh_s
        return True

    def _unblock(self) -> None:
        free = [one for one in self._blocked if not any(self._open_trials[group] for group in one.after)]
        self._blocked = [one for one in self._blocked if any(self._open_trials[group] for group in one.after)]
        self._scheduler.opened(sum(one.wall_s for one in free))
        for one in free:
            self._scheduler.add(ready_trial(one, self._chains_s[one.group]))

    @property
    def _until_deadline_s(self) -> float | None:
        return None if self._deadline_in_s is None else self._deadline_in_s - self._now_s

    def _wall_s(self, work: RemainingWork, site: Site, train_s: float) -> float | None:
        """Wall seconds of the next session of a trial with `train_s` left; None if too little time is left for it."""
        quota_s = self._quota.left_s_of(site)
        until_s = self._until_deadline_s
        needed_s = min(work.session_s, train_s + work.overhead_s)
        return next_wall_s(work.session_s, needed_s, work.overhead_s, left_s=quota_s, until_deadline_s=until_s)
