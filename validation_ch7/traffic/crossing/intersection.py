"""A batch of signalised crossings, each a network of lanes: four approaches, four exits, through traffic only.

In arguments and results, lane `link * batch + scenario` is one link of one scenario; links 0-3 are the approaches from
N, S, E, W, and link `4 + i` is the exit that approach `i` leads to. Internally, scenarios are stored in blocks (see
`numba_kernel`).
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from validation_ch7.traffic.crossing.measures import FIELDS, TrafficMeasures
from validation_ch7.traffic.crossing.stop_counter import StopCounter
from validation_ch7.traffic.crossing.stop_line_limits import StopLineLimits
from validation_ch7.traffic.model.arz import Floats
from validation_ch7.traffic.model.batching import WIDEST, Blocks
from validation_ch7.traffic.numba_kernel.advance import advance_block, advance_blocks
from validation_ch7.traffic.numba_kernel.constants import N_LINKS
from validation_ch7.traffic.parameters import TrafficParameters
from validation_ch7.traffic.signal.two_phase import SIGNAL_STATE, TwoPhaseSignal
from validation_ch7.traffic.state_tree import array_from

# In the order of the kernel's parameters.
_IN_ORDER = ("rho", "w", "queue_veh", "queue_sum", "arrived_veh", "served_sum", "inside", "inside_sum", "flow_sum")


class Intersection(TrafficMeasures):
    """Traffic of a batch of independent crossings, empty at the start.

    A vehicle that finds no room at the entry of an approach waits in a vertical queue. Its time there counts too, so
    that no controller can hide a queue outside the network. Vehicles leave the exits freely.

    Args:
        parameters: The model.
        batch: Number of scenarios.
        widest_block: Largest number of scenarios in one block; results do not depend on it.
        counts_stops: Whether to count stops; the traffic does not depend on it.

    Attributes:
        stops: The count of stops.
        limits: Limits of the flow through the stop lines; `advance` ignores them.
    """

    def __init__(
        self, parameters: TrafficParameters, batch: int, *, widest_block: int = WIDEST, counts_stops: bool = False
    ) -> None:
        super().__init__(parameters, Blocks(batch, widest_block))
        self._carried = np.empty((3, N_LINKS * self.blocks.width))
        self.stops = StopCounter(self.blocks, counting=counts_stops)
        self.limits = StopLineLimits()

    def advance(self, gate: Floats, inflow_veh: Floats, w_in: Floats) -> None:
        """Advance all traffic by one step with given gates.

        Args:
            gate: 1 where the stop line is open and 0 where it is closed, shape (4 * batch,).
            inflow_veh: Vehicles that arrive at each entry during the step, shape (4 * batch,).
            w_in: Driver attribute of entering vehicles, shape (4 * batch,), m/s.
        """
        gates, arriving, attributes = (self.blocks.scatter(values) for values in (gate, inflow_veh, w_in))
        kept = self._fields
        own: list[Any] = [self._carried, self._constants]
        for block in range(self.blocks.number):
            rho, w, *counted = (kept[name][block] for name in _IN_ORDER)
            lanes: list[Any] = [rho, w, gates[block], arriving[block], attributes[block], *counted]
            advance_block(*lanes, *own)

    def advance_under(
        self,
        signal: TwoPhaseSignal,
        arrivals_veh: Floats,
        w_in: Floats,
        *,
        first_step: int,
        n_steps: int,
        steps_per_bin: int,
        pool: ThreadPoolExecutor | None = None,
    ) -> None:
        """Advance all traffic and its signals by many steps.

        Args:
            signal: The signals of the batch.
            arrivals_veh: Vehicles per step by bin, shape (bins, blocks, 4 * L), laid out by `blocks`.
            w_in: Attribute of entering vehicles by bin, same shape, m/s.
            first_step: Number of the first step, which determines its bin.
            n_steps: Number of steps.
            steps_per_bin: Steps in one bin.
            pool: Threads for the blocks; results do not depend on it.
        """
        rho, w, *counted = (self._fields[name] for name in _IN_ORDER)
        lights = (getattr(signal, name) for name in SIGNAL_STATE)
        steps = (first_step, n_steps, steps_per_bin)
        arguments: list[Any] = [rho, w, arrivals_veh, w_in, *counted, *lights, *signal.times.of_kernel()]

        def act(first_block: int, end_block: int) -> None:
            stops = self.stops.of_kernel(self.parameters.n_cells)
            part: list[Any] = [*stops, *self.limits.of_kernel(), *steps, first_block, end_block, self._constants]
            advance_blocks(*arguments, *part)

        if pool is None:
            act(0, self.blocks.number)
        else:
            # Blocks share no data, so the result does not depend on threads or order.
            list(pool.map(act, range(self.blocks.number), range(1, self.blocks.number + 1)))

    def get_state(self) -> dict[str, object]:
        """Everything that the next steps depend on, as copies by lane, independent of the blocks."""
        return {name: self.blocks.gather(values) for name, values in self._fields.items()}

    def set_state(self, state: Mapping[str, object]) -> None:
        """Restore a copied state.

        Raises:
            ValueError: The state belongs to a batch or model of another size.
        """
        if set(state) != set(FIELDS):
            raise ValueError(f"traffic state has keys {sorted(state)}, expected {sorted(FIELDS)}")
        found = {name: array_from(state, name, like=self.blocks.gather(self._fields[name])) for name in FIELDS}
        for name, values in found.items():
            self._fields[name] = self.blocks.scatter(values)
