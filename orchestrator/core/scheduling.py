"""Who starts next: list scheduling, fair by seed as long as fairness costs no time."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass

_CRITICAL_SHARE = 0.98
"""A chain this near to the least possible rest of the campaign must not wait: it would be what everybody waits for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
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

    @property
    def fair_key(self) -> tuple[int, int, bool, float, int]:
        """Sorts by priority, seed, what is begun, what is long."""
        return (-self.priority, self.rank, not self.started, -self.chain_s, self.index)


class Order:
    """Waiting trials, the next one first. A trial may be added at any time; what left is counted out.

    The rest of a campaign cannot take less than its work over all slots, nor less than its longest chain (Graham,
    SIAM J. Appl. Math. 17, 1969). As long as the longest waiting chain is the smaller of the two, the order is
    free and fairness has it; when it is not, that chain goes first.

    Args:
        slots: Sessions that may run together.
        work_s: Wall seconds of everything that is left, what waits for others and what runs included.
    """

    def __init__(self, waiting: Iterable[Waiting], *, slots: int, work_s: float) -> None:
        self._slots = slots
        self._work_s = work_s
        self._waiting = {trial.index: trial for trial in waiting}
        self._fair = [(*trial.fair_key,) for trial in self._waiting.values()]
        self._long = [(-trial.chain_s, index) for index, trial in self._waiting.items()]
        heapq.heapify(self._fair)
        heapq.heapify(self._long)

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, trial: Waiting) -> None:
        """One more that waits."""
        self._waiting[trial.index] = trial
        heapq.heappush(self._fair, trial.fair_key)
        heapq.heappush(self._long, (-trial.chain_s, trial.index))

    def done(self, seconds: float) -> None:
        """So much of the work has been computed."""
        self._work_s = max(0.0, self._work_s - seconds)

    def take(self) -> Waiting | None:
        """The one that starts next, None when nobody waits."""
        while self._long and not self._is(self._long[0][1], -self._long[0][0]):
            heapq.heappop(self._long)
        if not self._long:
            return None
        longest = self._waiting[self._long[0][1]]
        if longest.chain_s >= _CRITICAL_SHARE * self._work_s / self._slots:
            return self._waiting.pop(longest.index)
        while (
            self._waiting.get(self._fair[0][-1]) is None or self._waiting[self._fair[0][-1]].fair_key != self._fair[0]
        ):
            heapq.heappop(self._fair)
        return self._waiting.pop(heapq.heappop(self._fair)[-1])

    def _is(self, index: int, chain_s: float) -> bool:
        found = self._waiting.get(index)
        return found is not None and found.chain_s == chain_s
