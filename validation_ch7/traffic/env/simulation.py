"""A batch of crossings under way: traffic, signal and demand on one clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from validation_ch7.traffic.crossing.intersection import Intersection
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.model.arz import Floats
from validation_ch7.traffic.model.batching import WIDEST, Blocks
from validation_ch7.traffic.model.demand import ARRIVAL_BIN_S, Scenario
from validation_ch7.traffic.state_tree import branch_from, whole_number_from


class CrossingSimulation:
    """Scenarios side by side from their first second on; none knows of the others.

    Args:
        settings: The crossing.
        scenarios: The demand of each.
        widest_block: Most scenarios in one block of memory; results do not depend on it.
        pool: Threads among which the blocks are divided; results do not depend on it.
        counts_stops: Whether `traffic.stops` counts; the traffic does not depend on it.

    Attributes:
        traffic: What drives and waits.
        signal: What lets it pass.
        steps_done: The clock, in solver steps.
    """

    def __init__(
        self,
        settings: EnvironmentSettings,
        scenarios: Sequence[Scenario],
        *,
        widest_block: int = WIDEST,
        pool: ThreadPoolExecutor | None = None,
        counts_stops: bool = False,
    ) -> None:
        self.settings = settings
        self.addresses = tuple(scenario.address for scenario in scenarios)
        self.traffic = Intersection(
            settings.traffic, len(scenarios), widest_block=widest_block, counts_stops=counts_stops
        )
        self.signal = settings.new_signal(len(scenarios))
        self.steps_done = 0
        self._pool = pool
        self._steps_per_bin = settings.steps_in(ARRIVAL_BIN_S)
        # Bin first, then lanes approach by approach as in the intersection: one bin is one contiguous row.
        blocks = self.traffic.blocks
        self._arrivals = _by_bin([scenario.arrivals_veh for scenario in scenarios], blocks) / self._steps_per_bin
        self._w_in = _by_bin([scenario.w_in_m_s for scenario in scenarios], blocks)

    @property
    def batch(self) -> int:
        """Scenarios side by side."""
        return self.traffic.batch

    def request(self, phases: npt.NDArray[np.int64]) -> None:
        """Ask each signal for a phase, shape (batch,); ignored where the signal may not change."""
        self.signal.request(phases)

    def advance(self, n_steps: int) -> None:
        """Let solver steps pass.

        Raises:
            IndexError: The scenarios are over.
        """
        last_step = self._steps_per_bin * len(self._arrivals)
        if self.steps_done + n_steps > last_step:
            raise IndexError(f"the scenarios end after {last_step} steps, {self.steps_done} of which are done")
        self.traffic.advance_under(
            self.signal,
            self._arrivals,
            self._w_in,
            first_step=self.steps_done,
            n_steps=n_steps,
            steps_per_bin=self._steps_per_bin,
            pool=self._pool,
        )
        self.steps_done += n_steps

    def get_state(self) -> dict[str, object]:
        """All that the next steps depend on beside the scenarios, which their addresses give again."""
        return {
            "traffic": self.traffic.get_state(),
            "signal": self.signal.get_state(),
            "steps_done": self.steps_done,
        }

    def set_state(self, state: Mapping[str, object]) -> None:
        """Continue from a state; copies it.

        Raises:
            ValueError: It is not the state of a batch and model of this size.
        """
        self.traffic.set_state(branch_from(state, "traffic"))
        self.signal.set_state(branch_from(state, "signal"))
        self.steps_done = whole_number_from(state, "steps_done")


def _by_bin(per_scenario: list[Floats], blocks: Blocks) -> Floats:
    """One bin is one contiguous row of blocks."""
    stacked = np.stack(per_scenario)  # scenarios, approaches, bins
    by_lane = stacked.transpose(1, 0, 2).reshape(-1, stacked.shape[2])
    return np.ascontiguousarray(blocks.scatter(by_lane).transpose(1, 0, 2))
