"""A batch of crossings under way: traffic, signal and demand on one clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from validation_ch7.traffic.arz import Floats
from validation_ch7.traffic.demand import ARRIVAL_BIN_S, Scenario
from validation_ch7.traffic.intersection import Intersection
from validation_ch7.traffic.settings import EnvironmentSettings
from validation_ch7.traffic.state_tree import branch_from, whole_number_from


class CrossingSimulation:
    """Scenarios side by side from their first second on; none knows of the others.

    Args:
        settings: The crossing.
        scenarios: The demand of each.

    Attributes:
        traffic: What drives and waits.
        signal: What lets it pass.
        steps_done: The clock, in solver steps.
    """

    def __init__(self, settings: EnvironmentSettings, scenarios: Sequence[Scenario]) -> None:
        self.settings = settings
        self.addresses = tuple(scenario.address for scenario in scenarios)
        self.traffic = Intersection(settings.traffic, len(scenarios))
        self.signal = settings.new_signal(len(scenarios))
        self.steps_done = 0
        self._steps_per_bin = settings.steps_in(ARRIVAL_BIN_S)
        # Bin first, then lanes approach by approach as in the intersection: one bin is one contiguous row.
        self._arrivals = _lanes_by_bin([scenario.arrivals_veh for scenario in scenarios]) / self._steps_per_bin
        self._w_in = _lanes_by_bin([scenario.w_in_m_s for scenario in scenarios])

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
        for _ in range(n_steps):
            bin_index = self.steps_done // self._steps_per_bin
            self.traffic.advance(self.signal.gate(), self._arrivals[bin_index], self._w_in[bin_index])
            self.signal.advance()
            self.steps_done += 1

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


def _lanes_by_bin(per_scenario: list[Floats]) -> Floats:
    stacked = np.stack(per_scenario)  # scenarios, approaches, bins
    return np.ascontiguousarray(stacked.transpose(2, 1, 0).reshape(stacked.shape[2], -1))
