"""Which trial starts next: list scheduling that is fair by seed as long as fairness costs no time."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass

_CRITICAL_SHARE = 0.98
"""A chain at least this share of the least possible remaining time starts first: the campaign's end depends on it."""

_FairKey = tuple[int, int, bool, float, int]
_LengthKey = tuple[float, _FairKey]
"""Negative length, then the fair order for equal lengths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyTrial:
    """A trial that could start a session now.

    Attributes:
        index: Place in the campaign; breaks ties.
        priority: Higher starts first.
        rank: Place of its seed among its variant's seeds; lower starts first, so that a partial campaign is balanced.
        started: Whether it has trained already; started trials go before new ones.
        own_s: Wall seconds of the sessions that it still needs.
        chain_s: `own_s` plus the longest chain of trials that depend on it.
    """

    index: int
    priority: int
    rank: int
    started: bool
    own_s: float
    chain_s: float

    @property
    def fair_key(self) -> _FairKey:
        """Sorts by priority, then seed, then started before new, then longest chain first."""
        return (-self.priority, self.rank, not self.started, -self.chain_s, self.index)


class ListScheduler:
    """The ready trials in three sorted orders: fair, longest chain first, longest remaining work first.

    The rest of a campaign takes at least its work divided by the slots, and at least its longest chain (Graham,
    SIAM J. Appl. Math. 17, 1969). Trials that depend on a group start after that group is complete; the same bounds
    hold for the work until then. While the longest ready trial is well below both bounds, the fair order decides.
    Otherwise the longest one starts first.

    Args:
        slots: Sessions that may run together.
        work_s: Wall seconds of all work that has not started, blocked groups included.
        open_s: The part of it that is not blocked by another group.
    """

    def __init__(self, ready: Iterable[ReadyTrial], *, slots: int, work_s: float, open_s: float) -> None:
        self._slots = slots
        self._work_s, self._open_s = work_s, open_s
        self._ready = {trial.index: trial for trial in ready}
        keys = {index: trial.fair_key for index, trial in self._ready.items()}
        self._fair = sorted(keys.values())
        self._chains: list[_LengthKey] = sorted((-trial.chain_s, keys[index]) for index, trial in self._ready.items())
        self._owns: list[_LengthKey] = sorted((-trial.own_s, keys[index]) for index, trial in self._ready.items())

    def __len__(self) -> int:
        return len(self._ready)

    def add(self, trial: ReadyTrial) -> None:
        """Add a trial that can start now."""
        key = trial.fair_key
        self._ready[trial.index] = trial
        insort(self._fair, key)
        insort(self._chains, (-trial.chain_s, key))
        insort(self._owns, (-trial.own_s, key))

    def started(self, seconds: float) -> None:
        """Subtract work that has its slot now."""
        self._work_s = max(0.0, self._work_s - seconds)
        self._open_s = max(0.0, self._open_s - seconds)

    def opened(self, seconds: float) -> None:
        """Add work that no other group blocks any more."""
        self._open_s += seconds

    def take(self) -> ReadyTrial | None:
        """Remove and return the trial that starts next, None if no trial is ready."""
        if not self._ready:
            return None
        if -self._chains[0][0] >= _CRITICAL_SHARE * self._work_s / self._slots:
            key = self._chains[0][1]
        elif -self._owns[0][0] >= _CRITICAL_SHARE * self._open_s / self._slots:
            key = self._owns[0][1]
        else:
            key = self._fair[0]
        trial = self._ready.pop(key[-1])
        del self._fair[bisect_left(self._fair, key)]
        del self._chains[bisect_left(self._chains, (-trial.chain_s, key))]
        del self._owns[bisect_left(self._owns, (-trial.own_s, key))]
        return trial

    def uninterrupted_s(self, taken: ReadyTrial) -> float:
        """Seconds for which a trial that was just taken can keep its slot before another must go first.

        Once started it goes before all new trials of its priority and seed, until one of those becomes critical.
        Half of the time until then, because other slots reserve their sessions in advance as well.
        """
        if not self._ready:
            return math.inf
        if self._fair[0][:3] <= (-taken.priority, taken.rank, False):
            return 0.0
        chain_s, own_s = -self._chains[0][0] / _CRITICAL_SHARE, -self._owns[0][0] / _CRITICAL_SHARE
        return max(0.0, min(self._work_s / self._slots - chain_s, self._open_s / self._slots - own_s) / 2)
