"""The trials that may start now, in the scheduler's order; of one tick to the next only what changed is worked out."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

from orchestrator.core.campaign.backoff import is_resting
from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.trial_status import FINAL, State, TrialStatus
from orchestrator.core.scheduling.scheduler import ListScheduler
from orchestrator.core.scheduling.workload import Measured, RemainingWork, chains_s, ready_trial, remaining_work_of


class ReadyQueue:
    """Of one campaign with the same trials throughout; a trial goes by its index."""

    def __init__(self, campaign: Campaign) -> None:
        self._campaign = campaign
        self._standings: Sequence[TrialStatus] = ()
        self._waiting: dict[int, TrialStatus] = {}
        self._dues: dict[int, datetime] = {}
        self._resting: set[int] = set()
        self._of_variant: defaultdict[int, list[int]] = defaultdict(list)
        self._measured = Measured(campaign)
        self._speeds = self._measured.speeds()
        self._max_wall_s: float | None = None
        self._loads: dict[int, RemainingWork] = {}
        self._walls_s: dict[int, float] = {}
        self._chained = any(group.after for group in campaign.trials.values())
        self._behind_s: Mapping[str, float] = {}
        self._order = ListScheduler((), slots=campaign.concurrency, work_s=0.0, open_s=0.0)
        self._changed: set[int] = set()

    def see(self, standings: Sequence[TrialStatus], now: datetime) -> tuple[TrialStatus | None, list[datetime]]:
        """Look where every trial stands.

        Returns:
            The first that may start, None without one, and until when those rest that wait and may not yet.
        """
        known: Sequence[TrialStatus | None] = self._standings or [None] * len(standings)
        for index, (was, one) in enumerate(zip(known, standings, strict=True)):
            if was is not one:
                self._moved(index, was, one)
        self._standings = standings
        resting = {index for index, due in self._dues.items() if is_resting(due, now)}
        self._changed |= resting ^ self._resting
        self._resting = resting
        first = min(self._waiting.keys() - resting if resting else self._waiting, default=None)
        return None if first is None else standings[first], [self._dues[index] for index in resting]

    def in_order(self, max_wall_s: float | None) -> Iterator[RemainingWork]:
        """One trial after another; each that is taken counts as started for those behind it.

        Args:
            max_wall_s: Longest session on the backend.
        """
        if max_wall_s != self._max_wall_s:
            self._max_wall_s = max_wall_s
            self._changed.update(range(len(self._standings)))
        self._work_out()
        while (taken := self._order.take()) is not None:
            self._changed.add(taken.index)  # whether it started is seen by the next look
            load = self._loads[taken.index]
            yield load
            self._order.started(min(load.session_s, load.wall_s))

    def _moved(self, index: int, was: TrialStatus | None, one: TrialStatus) -> None:
        if was is not None:
            self._measured.count(was, -1)
        else:
            self._of_variant[one.trial.variant.index].append(index)
        self._measured.count(one)
        self._changed.add(index)
        self._waiting.pop(index, None)
        self._dues.pop(index, None)
        if one.state is State.WAITING:
            self._waiting[index] = one
            if one.due_at is not None:
                self._dues[index] = one.due_at

    def _work_out(self) -> None:
        """Bring loads and order up to date."""
        earlier, self._speeds = self._speeds, self._measured.speeds()
        for variant in earlier.measured.keys() | self._speeds.measured.keys():
            if earlier.measured.get(variant) != self._speeds.measured.get(variant):
                self._changed.update(self._of_variant[variant])
        for index in self._changed:
            self._load(index, self._standings[index])
        behind_s = chains_s(self._loads.values()) if self._chained else {}
        if behind_s != self._behind_s:
            self._behind_s = behind_s
            self._changed |= self._waiting.keys()
        self._put_in(self._changed)
        self._changed = set()
        walls_s = self._walls_s
        self._order.left(work_s=math.fsum(walls_s.values()), open_s=math.fsum(map(walls_s.__getitem__, self._order)))

    def _load(self, index: int, one: TrialStatus) -> None:
        if one.state in FINAL:
            self._loads.pop(index, None)
            self._walls_s.pop(index, None)
            return
        speed = self._speeds.of(one.trial.variant)
        self._loads[index] = load = remaining_work_of(self._campaign, one, speed, self._max_wall_s)
        self._walls_s[index] = load.wall_s

    def _put_in(self, changed: Collection[int]) -> None:
        for index in changed:
            self._order.drop(index)
            if index in self._waiting and index not in self._resting:
                load = self._loads[index]
                self._order.add(ready_trial(load, self._behind_s.get(load.group, 0.0)))
