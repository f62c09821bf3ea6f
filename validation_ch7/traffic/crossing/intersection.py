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

from validation_ch7.traffic.crossing.stop_counter import StopCounter
from validation_ch7.traffic.model.arz import Floats
from validation_ch7.traffic.model.batching import WIDEST, Blocks
from validation_ch7.traffic.numba_kernel.advance import advance_block, advance_blocks
from validation_ch7.traffic.numba_kernel.constants import N_APPROACHES, N_LINKS, constants_of
from validation_ch7.traffic.numba_kernel.measures import count_vehicles, sum_delay
from validation_ch7.traffic.parameters import TrafficParameters
from validation_ch7.traffic.signal.two_phase import SIGNAL_STATE, TwoPhaseSignal
from validation_ch7.traffic.state_tree import array_from

# Name -> number of links that have it; `rho` and `w` also have cells.
_FIELDS = {
    "rho": N_LINKS,
    "w": N_LINKS,
    "queue_veh": N_APPROACHES,
    "inside": N_LINKS,
    "inside_sum": N_LINKS,
    "flow_sum": N_LINKS,
    "queue_sum": N_APPROACHES,
    "arrived_veh": N_APPROACHES,
    "served_sum": N_APPROACHES,
}
_BY_CELL = ("rho", "w")
# In the order of the kernel's parameters.
_IN_ORDER = ("rho", "w", "queue_veh", "queue_sum", "arrived_veh", "served_sum", "inside", "inside_sum", "flow_sum")


class Intersection:
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
    """

    def __init__(
        self, parameters: TrafficParameters, batch: int, *, widest_block: int = WIDEST, counts_stops: bool = False
    ) -> None:
        self.parameters = parameters
        self.blocks = Blocks(batch, widest_block)
        self.batch = batch
        self._constants = constants_of(parameters)
        self._fields = {name: self.blocks.zeros(links, self._cells(name)) for name, links in _FIELDS.items()}
        self._fields["w"][:] = parameters.vf_m_s
        self._carried = np.empty((3, N_LINKS * self.blocks.width))
        self.stops = StopCounter(self.blocks, counting=counts_stops)

    def _cells(self, name: str) -> int | None:
        return self.parameters.n_cells if name in _BY_CELL else None

    def advance(self, gate: Floats, inflow_veh: Floats, w_in: Floats) -> None:
        """Advance all traffic by one step with given gates.

        Args:
            gate: 1 where the stop line is open and 0 where it is closed, shape (4 * batch,).
            inflow_veh: Vehicles that arrive at each entry during the step, shape (4 * batch,).
            w_in: Driver attribute of entering vehicles, shape (4 * batch,), m/s.
        """
        gates, arriving, attributes = (self.blocks.scatter(values) for values in (gate, inflow_veh, w_in))
        for block in range(self.blocks.number):
            rho, w, *rest = (self._fields[name][block] for name in _IN_ORDER)
            rest += [self._carried, self._constants]
            advance_block(rho, w, gates[block], arriving[block], attributes[block], *rest)

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
        intervals = signal.times.of_kernel()
        steps = (first_step, n_steps, steps_per_bin)
        arguments: list[Any] = [rho, w, arrivals_veh, w_in, *counted, *lights, *intervals]

        def act(first_block: int, end_block: int) -> None:
            stops = self.stops.of_kernel(self.parameters.n_cells)
            part: list[Any] = [*stops, *steps, first_block, end_block, self._constants]
            advance_blocks(*arguments, *part)

        if pool is None:
            act(0, self.blocks.number)
        else:
            # Blocks share no data, so the result does not depend on threads or order.
            list(pool.map(act, range(self.blocks.number), range(1, self.blocks.number + 1)))

    def count_vehicles(self, near_m: float) -> Floats:
        """Detector counts of every approach, shape (3, 4, batch), vehicles.

        Args:
            near_m: Largest distance from the stop line that counts as near, in m.

        Returns:
            Standing-equivalent vehicles `sum rho (1 - v / vf) dx` with the entry queue, vehicles near the stop line,
            and vehicles further up.
        """
        parameters, kept = self.parameters, self._fields
        first_near = max(0, parameters.n_cells - round(near_m / parameters.dx_m))
        counted = np.empty((3, N_APPROACHES, self.batch))
        count_vehicles(kept["rho"], kept["w"], kept["queue_veh"], first_near, counted, self._constants)
        return counted

    @property
    def fields(self) -> Mapping[str, Floats]:
        """The state by name, in blocks; not to be changed."""
        return self._fields

    @property
    def rho(self) -> Floats:
        """Densities, shape (lanes, cells), veh/m; a read-only copy."""
        return _read_only(self.blocks.gather(self._fields["rho"]))

    @property
    def w(self) -> Floats:
        """Driver attributes, shape (lanes, cells), m/s; a read-only copy."""
        return _read_only(self.blocks.gather(self._fields["w"]))

    @property
    def queue_veh(self) -> Floats:
        """Vertical entry queues, shape (4 * batch,), vehicles; a read-only copy."""
        return _read_only(self.blocks.gather(self._fields["queue_veh"]))

    @property
    def inside_veh(self) -> Floats:
        """Vehicles on each lane, shape (lanes,), computed from inflow and outflow."""
        return self.blocks.gather(self._fields["inside"]) * self.parameters.dx_m

    @property
    def arrived_veh(self) -> Floats:
        """Vehicles that arrived at each entry so far, shape (4 * batch,)."""
        return self.blocks.gather(self._fields["arrived_veh"])

    @property
    def served_veh(self) -> Floats:
        """Vehicles that left by each exit so far, shape (4 * batch,)."""
        return self.blocks.gather(self._fields["served_sum"]) * self.parameters.dt_s

    @property
    def time_veh_s(self) -> Floats:
        """Time spent on each lane so far, shape (lanes,), vehicle-seconds."""
        return self.blocks.gather(self._fields["inside_sum"]) * (self.parameters.dx_m * self.parameters.dt_s)

    @property
    def distance_veh_m(self) -> Floats:
        """Distance driven on each lane so far, shape (lanes,), vehicle-metres.

        A vehicle that leaves a cell has driven one cell; a complete passage counts exactly the link's length.
        """
        return self.blocks.gather(self._fields["flow_sum"]) * (self.parameters.dx_m * self.parameters.dt_s)

    @property
    def queue_time_veh_s(self) -> Floats:
        """Time spent in the entry queues so far, shape (4 * batch,), vehicle-seconds."""
        return self.blocks.gather(self._fields["queue_sum"]) * self.parameters.dt_s

    def delay_veh_s(self) -> Floats:
        """Delay so far, shape (batch,), vehicle-seconds: time in network and entry queues beyond free driving.

        No flow is above `rho vf`, so the delay of a step, `dt dx (rho - flow / vf)` per cell, is never negative.
        """
        return self._delay_veh_s(N_LINKS)

    def approach_delay_veh_s(self) -> Floats:
        """The part of the delay that was spent before the stop lines, shape (batch,), vehicle-seconds."""
        return self._delay_veh_s(N_APPROACHES)

    def total_time_veh_s(self) -> Floats:
        """Time in the network and in the entry queues so far, shape (batch,), vehicle-seconds."""
        return self._per_scenario(self.time_veh_s) + self._per_scenario(self.queue_time_veh_s)

    def total_distance_veh_m(self) -> Floats:
        """Distance driven so far, shape (batch,), vehicle-metres."""
        return self._per_scenario(self.distance_veh_m)

    def total_arrived_veh(self) -> Floats:
        """Vehicles that arrived so far, shape (batch,)."""
        return self._per_scenario(self.arrived_veh)

    def total_served_veh(self) -> Floats:
        """Vehicles that left the network so far, shape (batch,)."""
        return self._per_scenario(self.served_veh)

    def stored_veh(self) -> Floats:
        """Vehicles in the network and in the entry queues now, shape (batch,)."""
        inside = self._per_scenario(self.rho.sum(axis=1) * self.parameters.dx_m)
        return inside + self._per_scenario(self.queue_veh)

    def _delay_veh_s(self, links: int) -> Floats:
        kept, delay_veh_s = self._fields, np.empty(self.batch)
        sum_delay(kept["inside_sum"], kept["flow_sum"], kept["queue_sum"], links, delay_veh_s, self._constants)
        return delay_veh_s

    def _per_scenario(self, by_lane: Floats) -> Floats:
        """Sum over links, in the order of the links, so that the rounding is the same in every batch."""
        by_link = by_lane.reshape(-1, self.batch)
        total: Floats = by_link[0].copy()
        for row in by_link[1:]:
            total += row
        return total

    def get_state(self) -> dict[str, object]:
        """Everything that the next steps depend on, as copies by lane, independent of the blocks."""
        return {name: self.blocks.gather(values) for name, values in self._fields.items()}

    def set_state(self, state: Mapping[str, object]) -> None:
        """Restore a copied state.

        Raises:
            ValueError: The state belongs to a batch or model of another size.
        """
        if set(state) != set(_FIELDS):
            raise ValueError(f"traffic state has keys {sorted(state)}, expected {sorted(_FIELDS)}")
        found = {name: array_from(state, name, like=self.blocks.gather(self._fields[name])) for name in _FIELDS}
        for name, values in found.items():
            self._fields[name] = self.blocks.scatter(values)


def _read_only(values: Floats) -> Floats:
    values.setflags(write=False)
    return values
