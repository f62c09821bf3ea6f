"""The trials that may start now, in the scheduler's order; what did not change between two ticks is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.core.campaigns import Campaign
from orchestrator.core.loads import Known, loads
from orchestrator.core.needs import Load, chains_s, waiting_of
from orchestrator.core.scheduling import Order, Waiting
from orchestrator.core.standings import Standing


class Queue:
    """Of one campaign with the same trials throughout."""

    def __init__(self, campaign: Campaign) -> None:
        self._campaign = campaign
        self._loads: Known = {}
        self._waiting: dict[int, tuple[Load, float, Waiting]] = {}

    def in_order(
        self, standings: Sequence[Standing], ready: Sequence[Standing], max_wall_s: float | None
    ) -> Iterator[Load]:
        """One trial after another; each that is taken counts as started for those behind it.

        Args:
            ready: Those that may start now.
            max_wall_s: Longest session on the backend.
        """
        open_loads = loads(self._campaign, standings, max_wall_s, self._loads)
        by_index = {load.index: load for load in open_loads}
        behind_s = chains_s(open_loads)
        now = [by_index[one.trial.index] for one in ready]
        order = Order(
            [self._waiting_of(load, behind_s[load.group]) for load in now],
            slots=self._campaign.concurrency,
            work_s=sum(load.wall_s for load in open_loads),
            open_s=sum(load.wall_s for load in now),
        )
        while (taken := order.take()) is not None:
            load = by_index[taken.index]
            yield load
            order.started(min(load.session_s, load.wall_s))

    def _waiting_of(self, load: Load, behind_s: float) -> Waiting:
        known = self._waiting.get(load.index)
        if known is None or known[0] is not load or known[1] != behind_s:
            known = self._waiting[load.index] = (load, behind_s, waiting_of(load, behind_s))
        return known[2]
