"""Who starts next: list scheduling, fair by seed as long as fairness costs no time."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

_CRITICAL_SHARE = 0.98
"""A chain this near to the least possible rest of the campaign must not wait: it would be what everybody waits for."""

_Fair = tuple[int, int, bool, float, int]
_Long = tuple[float, _Fair]
"""Length, and the fair order for those of equal length."""


@dataclass(frozen=True, kw_only=True)  # without slots: its key is made once
class ReadyTrial:
    """A trial that could start a session now.

    Attributes:
        index: Its place in the campaign; breaks ties.
        priority: Higher first.
        rank: Place of its seed among its variant's; lower first, so that partial campaigns are balanced by seed.
        started: Whether it has trained already: to finish one is worth more than to begin another.
        own_s: Wall seconds of sessions that it still needs.
        chain_s: The same and those of the longest chain of trials that wait for it.
    """

    index: int
    priority: int
    rank: int
    started: bool
    own_s: float
    chain_s: float

    @cached_property
    def fair_key(self) -> _Fair:
        """Sorts by priority, seed, what is begun, what is long."""
        return (-self.priority, self.rank, not self.started, -self.chain_s, self.index)

    @cached_property
    def chain_key(self) -> _Long:
        """Sorts by the length of its chain, longest first."""
        return (-self.chain_s, self.fair_key)

    @cached_property
    def own_key(self) -> _Long:
        """Sorts by its own length, longest first."""
        return (-self.own_s, self.fair_key)


class ListScheduler:
    """Waiting trials, the next one first. A trial may be added at any time; what starts is counted out.

    The rest of a campaign cannot take less than its work over all slots, nor less than its longest chain (Graham,
    SIAM J. Appl. Math. 17, 1969); and what waits for a group cannot begin before that group's own rest is over, to
    which the same applies. As long as the longest waiting trial is well below both, the order is free and fairness
    has it; when it is not, it goes first.

    Args:
        slots: Sessions that may run together.
        work_s: Wall seconds of everything that is left and has not started, what waits for others included.
        open_s: Of that, what waits for no other group.
    """

    def __init__(self, waiting: Iterable[ReadyTrial], *, slots: int, work_s: float, open_s: float) -> None:
        self._slots = slots
        self._work_s, self._open_s = work_s, open_s
        self._waiting = {trial.index: trial for trial in waiting}
        self._fair = [trial.fair_key for trial in self._waiting.values()]
        self._chains = [trial.chain_key for trial in self._waiting.values()]
        self._owns = [trial.own_key for trial in self._waiting.values()]
        heapq.heapify(self._fair)
        heapq.heapify(self._chains)
        heapq.heapify(self._owns)

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[int]:
        """Places in the campaign of those that wait."""
        return iter(self._waiting)

    def add(self, trial: ReadyTrial) -> None:
        """One more that waits."""
        self._waiting[trial.index] = trial
        heapq.heappush(self._fair, trial.fair_key)
        # Not by their keys, which cost more to keep than to make once: whoever adds a trial never asks for them again.
        heapq.heappush(self._chains, (-trial.chain_s, trial.fair_key))
        heapq.heappush(self._owns, (-trial.own_s, trial.fair_key))

    def drop(self, index: int) -> None:
        """One that does not wait any more, if it did."""
        self._waiting.pop(index, None)

    def left(self, *, work_s: float, open_s: float) -> None:
        """What is left now, as given at the beginning."""
        self._work_s, self._open_s = work_s, open_s

    def started(self, seconds: float) -> None:
        """So much of the work has its slot."""
        self._work_s = max(0.0, self._work_s - seconds)
        self._open_s = max(0.0, self._open_s - seconds)

    def opened(self, seconds: float) -> None:
        """So much of the work no longer waits for another group."""
        self._open_s += seconds

    def take(self) -> ReadyTrial | None:
        """The one that starts next, None when nobody waits."""
        longest = self._top(self._chains, lambda trial: trial.chain_s)
        if longest is None:
            return None
        biggest = self._top(self._owns, lambda trial: trial.own_s) or longest
        if longest.chain_s >= _CRITICAL_SHARE * self._work_s / self._slots:
            return self._waiting.pop(longest.index)
        if biggest.own_s >= _CRITICAL_SHARE * self._open_s / self._slots:
            return self._waiting.pop(biggest.index)
        return self._waiting.pop(self._fairest()[-1])

    def uninterrupted_s(self, taken: ReadyTrial) -> float:
        """Seconds for which one that was just taken may go from session to session, nobody who waits coming before it.

        What it has begun comes before all of its priority and seed that have not, until one of those becomes critical.
        Half of the time until then: others take their sessions in advance as well.
        """
        longest = self._top(self._chains, lambda trial: trial.chain_s)
        if longest is None:
            return math.inf
        if self._fairest()[:3] <= (-taken.priority, taken.rank, False):
            return 0.0
        biggest = self._top(self._owns, lambda trial: trial.own_s) or longest
        chain_s, own_s = longest.chain_s / _CRITICAL_SHARE, biggest.own_s / _CRITICAL_SHARE
        return max(0.0, min(self._work_s / self._slots - chain_s, self._open_s / self._slots - own_s) / 2)

    def _fairest(self) -> _Fair:
        """The first in the fair order of those that still wait as they were put in; somebody must wait."""
        while True:
            trial = self._waiting.get(self._fair[0][-1])
            if trial is not None and trial.fair_key == self._fair[0]:
                return self._fair[0]
            heapq.heappop(self._fair)

    def _top(self, heap: list[_Long], of: Callable[[ReadyTrial], float]) -> ReadyTrial | None:
        """The longest that still waits as it was put in."""
        while heap:
            trial = self._waiting.get(heap[0][1][-1])
            if trial is not None and of(trial) == -heap[0][0]:
                return trial
            heapq.heappop(heap)
        return None
