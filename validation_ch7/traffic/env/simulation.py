"""Simulates a batch of crossings: traffic, signals and demand on one clock."""

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
from validation_ch7.traffic.numba_kernel.constants import N_APPROACHES
from validation_ch7.traffic.numba_kernel.inflow import mean_of_last_bins
from validation_ch7.traffic.state_tree import branch_from, whole_number_from


class CrossingSimulation:
    """A batch of independent scenarios, simulated from their start.

    Args:
        settings: The crossing.
        scenarios: Demand of each scenario.
        widest_block: Largest number of scenarios in one memory block; results do not depend on it.
        pool: Threads for the blocks; results do not depend on it.
        counts_stops: Whether `traffic.stops` counts; the traffic does not depend on it.

    Attributes:
        traffic: The traffic.
        signal: The signals.
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
        # Bins are the first axis, so that one bin is contiguous; then lanes by approach, as in the intersection.
        blocks = self.traffic.blocks
        self._arrivals = _by_bin([scenario.arrivals_veh for scenario in scenarios], blocks) / self._steps_per_bin
        self._w_in = _by_bin([scenario.w_in_m_s for scenario in scenarios], blocks)

    @property
    def batch(self) -> int:
        """Number of scenarios."""
        return self.traffic.batch

    def request(self, phases: npt.NDArray[np.int64]) -> None:
        """Request a phase from each signal, shape (batch,); ignored where the signal must not change."""
        self.signal.request(phases)

    def advance(self, n_steps: int) -> None:
        """Simulate solver steps.

        Raises:
            IndexError: The steps go beyond the end of the scenarios.
        """
        last_step = self._steps_per_bin * len(self._arrivals)
        if self.steps_done + n_steps > last_step:
            raise IndexError(f"cannot simulate {n_steps} more steps: {self.steps_done} of {last_step} are done")
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

    def recent_inflow(self, duration_s: float) -> tuple[Floats, Floats]:
        """What entry detectors have counted lately; nothing that is still to come.

        Args:
            duration_s: How far back the mean goes; shorter at the start.

        Returns:
            Mean arrivals per solver step in vehicles, and mean attribute of the arriving drivers in m/s, both of shape
            (4, batch); 0 and the free speed before the first step.
        """
        past = (self.steps_done, self.settings.steps_in(duration_s), self._steps_per_bin, self.batch)
        if not self.steps_done:
            return np.zeros((N_APPROACHES, self.batch)), np.full(
                (N_APPROACHES, self.batch), self.settings.traffic.vf_m_s
            )
        return mean_of_last_bins(self._arrivals, *past), mean_of_last_bins(self._w_in, *past)

    def get_state(self) -> dict[str, object]:
        """Everything that the next steps depend on, except the scenarios, which follow from their addresses."""
        return {
            "traffic": self.traffic.get_state(),
            "signal": self.signal.get_state(),
            "steps_done": self.steps_done,
        }

    def set_state(self, state: Mapping[str, object]) -> None:
        """Restore a copied state.

        Raises:
            ValueError: The state belongs to a batch or model of another size.
        """
        self.traffic.set_state(branch_from(state, "traffic"))
        self.signal.set_state(branch_from(state, "signal"))
        self.steps_done = whole_number_from(state, "steps_done")


def _by_bin(per_scenario: list[Floats], blocks: Blocks) -> Floats:
    """Arrange values by bin, shape (bins, blocks, 4 * L), contiguous."""
    stacked = np.stack(per_scenario)  # scenarios, approaches, bins
    by_lane = stacked.transpose(1, 0, 2).reshape(-1, stacked.shape[2])
    return np.ascontiguousarray(blocks.scatter(by_lane).transpose(1, 0, 2))
