"""What a campaign will take: sessions, hours, quota of each week, and its end; on no clock but its own."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from orchestrator.core.budget import granted_s
from orchestrator.core.scheduling import Order, Waiting

WEEK_S = 7 * 86_400.0
_NOTHING_S = 1e-6


@dataclass(frozen=True, kw_only=True)  # without slots: its wall is worked out once
class Load:
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
        return max(1, math.ceil(self.train_s / self.useful_s - 1e-9))

    @cached_property
    def wall_s(self) -> float:
        """Wall seconds of all its sessions."""
        return self.wall_of(self.train_s)

    def wall_of(self, train_s: float) -> float:
        """Wall seconds of all sessions that so much training takes."""
        overhead_s = self.start_s + self.save_s
        useful_s = max(1.0, self.session_s - overhead_s)
        sessions = max(1, math.ceil(train_s / useful_s - 1e-9))
        return min(train_s + sessions * overhead_s, sessions * self.session_s)  # the latter where that is too short


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What may be computed in a week, seconds.

    Attributes:
        left_s: Of the week under way.
        weekly_s: Of every week.
        refresh_in_s: Until the next week starts.
    """

    left_s: float
    weekly_s: float
    refresh_in_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """How a campaign will go.

    Attributes:
        sessions: From now on.
        compute_s: Wall seconds of all sessions together.
        makespan_s: Until the last one ends, from now.
        bound_s: Less than that no order could take: work over slots, or the longest chain; quota not counted.
        weeks: Seconds of quota used in each week, the one under way first; empty where nothing is counted.
        unfinished: Trials that cannot be completed: the deadline comes first, or no week is long enough.
    """

    sessions: int
    compute_s: float
    makespan_s: float
    bound_s: float
    weeks: tuple[float, ...] = ()
    unfinished: tuple[int, ...] = ()


def chains_s(loads: Sequence[Load]) -> dict[str, float]:
    """For each group the wall seconds of the longest chain of trials that wait for it, itself not counted."""
    longest: dict[str, float] = {}
    afters: dict[str, tuple[str, ...]] = {}
    for load in loads:
        longest[load.group] = max(longest.get(load.group, 0.0), load.wall_s)
        afters[load.group] = load.after
    behind = dict.fromkeys(longest, 0.0)

    def below(group: str) -> float:
        waiting = [other for other, after in afters.items() if group in after]
        return max((longest[other] + below(other) for other in waiting), default=0.0)

    for group in behind:
        behind[group] = below(group)
    return behind


def waiting_of(load: Load, behind_s: float, left_s: float | None = None) -> Waiting:
    """A load as one that waits for a slot.

    Args:
        left_s: Seconds of training that are left of one that has begun meanwhile.
    """
    own_s = load.wall_s if left_s is None else load.wall_of(left_s)
    return Waiting(
        index=load.index,
        priority=load.priority,
        rank=load.rank,
        started=load.started or left_s is not None,
        own_s=own_s,
        chain_s=own_s + behind_s,
    )


def forecast(
    loads: Sequence[Load],
    *,
    slots: int,
    allowance: Allowance | None = None,
    deadline_in_s: float | None = None,
) -> Forecast:
    """Play the campaign through with the scheduler's own order.

    Args:
        loads: What is left; running sessions count as not started.
        slots: Sessions that may run together.
        allowance: Weekly quota or budget, None where nothing is counted.
        deadline_in_s: Until the campaign's own deadline.
    """
    return _Play(loads, slots, allowance, deadline_in_s).through()


class _Play:
    """The campaign on a clock of its own: what runs, what waits, what is left of the week."""

    def __init__(
        self, loads: Sequence[Load], slots: int, allowance: Allowance | None, deadline_in_s: float | None
    ) -> None:
        self._slots = slots
        self._allowance = allowance
        self._deadline_in_s = deadline_in_s
        self._behind_s = chains_s(loads)
        self._loads = {load.index: load for load in loads}
        self._train_s = {load.index: load.train_s for load in loads}
        self._open = Counter(load.group for load in loads)
        walls_s = {load.index: load.wall_s for load in loads}
        self._work_s = sum(walls_s.values())
        self._chain_s = max((walls_s[load.index] + self._behind_s[load.group] for load in loads), default=0.0)
        self._order = Order((), slots=slots, work_s=self._work_s, open_s=0.0)
        self._blocked = list(loads)
        self._running: list[tuple[float, int]] = []
        self._now_s = self._ended_s = self._compute_s = 0.0
        self._sessions = self._idle_weeks = 0
        self._left_s = allowance.left_s if allowance else None
        self._refresh_s = allowance.refresh_in_s if allowance else math.inf
        self._weeks = [0.0] if allowance else []

    def through(self) -> Forecast:
        """Play until nothing runs and nothing can start any more."""
        self._free_blocked()
        while True:
            self._start_all()
            if self._running and self._running[0][0] <= self._refresh_s:
                self._end_next()
            elif (not self._running and not len(self._order)) or not self._next_week():
                break
        return Forecast(
            sessions=self._sessions,
            compute_s=self._compute_s,
            makespan_s=self._ended_s,
            bound_s=max(self._work_s / self._slots, self._chain_s),
            weeks=tuple(self._weeks),
            unfinished=tuple(sorted(index for index, left_s in self._train_s.items() if left_s > _NOTHING_S)),
        )

    def _start_all(self) -> None:
        while len(self._running) < self._slots and (trial := self._order.take()) is not None:
            wall_s = self._wall_s(self._loads[trial.index])
            if wall_s is None:
                self._order.add(trial)
                return
            self._sessions += 1
            self._idle_weeks = 0
            self._compute_s += wall_s
            if self._left_s is not None:
                self._left_s -= wall_s
                self._weeks[-1] += wall_s
            # As in `useful_s`: a session that is assumed shorter than its overhead must not add to what is left.
            self._train_s[trial.index] -= max(1.0, wall_s - self._loads[trial.index].overhead_s)
            heapq.heappush(self._running, (self._now_s + wall_s, trial.index))
            self._order.started(wall_s)

    def _end_next(self) -> None:
        self._now_s, index = heapq.heappop(self._running)
        self._ended_s = self._now_s
        load, left_s = self._loads[index], self._train_s[index]
        if left_s > _NOTHING_S:
            self._order.add(waiting_of(load, self._behind_s[load.group], left_s))
            return
        self._open[load.group] -= 1
        if self._open[load.group] == 0:
            self._free_blocked()

    def _next_week(self) -> bool:
        """Let the quota start anew; says whether that can help."""
        self._idle_weeks += 1
        if self._allowance is None or self._idle_weeks > 2 or (self._deadline_in_s or math.inf) <= self._refresh_s:
            return False
        self._now_s, self._left_s = self._refresh_s, self._allowance.weekly_s
        self._refresh_s += WEEK_S
        self._weeks.append(0.0)
        return True

    def _free_blocked(self) -> None:
        free = [load for load in self._blocked if not any(self._open[group] for group in load.after)]
        self._blocked = [load for load in self._blocked if any(self._open[group] for group in load.after)]
        self._order.opened(sum(load.wall_s for load in free))
        for load in free:
            self._order.add(waiting_of(load, self._behind_s[load.group]))

    def _wall_s(self, load: Load) -> float | None:
        until_s = None if self._deadline_in_s is None else self._deadline_in_s - self._now_s
        needed_s = min(load.session_s, self._train_s[load.index] + load.overhead_s)
        granted = granted_s(load.session_s, needed_s=load.overhead_s, left_s=self._left_s, until_deadline_s=until_s)
        if granted is None:  # the last stretch may be shorter than a session that is worth its start
            least_s = min((limit for limit in (self._left_s, until_s) if limit is not None), default=math.inf)
            return needed_s if needed_s < load.session_s and needed_s <= least_s else None
        return min(granted, needed_s)
