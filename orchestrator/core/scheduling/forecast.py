"""What a campaign will take: sessions, hours, quota of each week, and its end; on no clock but its own."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from orchestrator.core.scheduling.scheduler import ListScheduler, ReadyTrial
from orchestrator.core.scheduling.workload import RemainingWork, chains_s, ready_trial
from orchestrator.core.session.time_budget import granted_s

WEEK_S = 7 * 86_400.0
_NOTHING_S = 1e-6


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


def forecast(
    loads: Sequence[RemainingWork],
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


class _Row(NamedTuple):
    """Sessions of one trial, one after another in one slot, all but the last of the same length.

    What nobody can come between is counted at once: a trial may take hundreds of short sessions.
    """

    ends_s: float
    trial: int
    began_s: float
    wall_s: float
    sessions: int


class _Play:
    """The campaign on a clock of its own: what runs, what waits, what is left of the week."""

    def __init__(
        self, loads: Sequence[RemainingWork], slots: int, allowance: Allowance | None, deadline_in_s: float | None
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
        self._order = ListScheduler((), slots=slots, work_s=self._work_s, open_s=0.0)
        self._blocked = list(loads)
        self._running: list[_Row] = []
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
            if self._running and self._running[0].ends_s <= self._refresh_s:
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
            load = self._loads[trial.index]
            wall_s = self._wall_s(load)
            if wall_s is None:
                self._order.add(trial)
                return
            self._idle_weeks = 0
            count, left_s = self._in_a_row(trial, load, wall_s), self._train_s[load.index]
            all_s = min(count * wall_s, left_s + count * load.overhead_s) if count > 1 else wall_s
            heapq.heappush(self._running, _Row(self._now_s + all_s, load.index, self._now_s, wall_s, count))
            self._account(load, count, all_s, load.trained_in(all_s, count))

    def _in_a_row(self, trial: ReadyTrial, load: RemainingWork, wall_s: float) -> int:
        """Sessions of this length that it gets one after another: nobody who waits comes before it meanwhile."""
        if wall_s < load.session_s:
            return 1
        room_s = min(self._order.uninterrupted_s(trial), self._refresh_s - self._now_s)
        if self._deadline_in_s is not None:
            room_s = min(room_s, self._deadline_in_s - self._now_s)
        if self._left_s is not None:
            room_s = min(room_s, self._left_s / self._slots)  # the other slots want their share of the week
        return max(1, int(min(load.sessions_of(self._train_s[load.index]), room_s / wall_s)))

    def _account(self, load: RemainingWork, count: int, wall_s: float, trained_s: float) -> None:
        """So many more sessions are under way or, below 0, are not after all."""
        self._sessions += count
        self._compute_s += wall_s
        if self._left_s is not None:
            self._left_s -= wall_s
            self._weeks[-1] += wall_s
        self._train_s[load.index] -= trained_s
        self._order.started(wall_s)

    def _end_next(self) -> None:
        row = heapq.heappop(self._running)
        self._now_s = self._ended_s = row.ends_s
        load, left_s = self._loads[row.trial], self._train_s[row.trial]
        if left_s > _NOTHING_S:
            self._order.add(ready_trial(load, self._behind_s[load.group], left_s))
            return
        self._open[load.group] -= 1
        if self._open[load.group] == 0:
            self._cut_rows()
            self._free_blocked()

    def _cut_rows(self) -> None:
        """Let every row end with the session under way: a group opens, and its trials may come before the rest."""
        for place, row in enumerate(self._running):
            begun = max(1, math.ceil((self._now_s - row.began_s) / row.wall_s - 1e-9))
            if begun < row.sessions:
                load, planned_s, kept_s = self._loads[row.trial], row.ends_s - row.began_s, begun * row.wall_s
                untrained_s = load.trained_in(planned_s, row.sessions) - load.trained_in(kept_s, begun)
                self._account(load, begun - row.sessions, kept_s - planned_s, -untrained_s)
                self._running[place] = row._replace(ends_s=row.began_s + kept_s, sessions=begun)
        heapq.heapify(self._running)

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
            self._order.add(ready_trial(load, self._behind_s[load.group]))

    def _wall_s(self, load: RemainingWork) -> float | None:
        until_s = None if self._deadline_in_s is None else self._deadline_in_s - self._now_s
        needed_s = min(load.session_s, self._train_s[load.index] + load.overhead_s)
        granted = granted_s(load.session_s, needed_s=load.overhead_s, left_s=self._left_s, until_deadline_s=until_s)
        if granted is None:  # the last stretch may be shorter than a session that is worth its start
            least_s = min((limit for limit in (self._left_s, until_s) if limit is not None), default=math.inf)
            return needed_s if needed_s < load.session_s and needed_s <= least_s else None
        return min(granted, needed_s)
