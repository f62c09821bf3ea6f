"""What can be read from the traffic of a batch of crossings: counts along the lanes, times, distances and delays."""

from __future__ import annotations

import numpy as np

from validation_ch7.traffic.model.arz import Floats
from validation_ch7.traffic.model.batching import Blocks
from validation_ch7.traffic.numba_kernel.constants import N_APPROACHES, N_LINKS, constants_of
from validation_ch7.traffic.numba_kernel.measures import count_vehicles, sum_delay
from validation_ch7.traffic.parameters import TrafficParameters

# Name -> number of links that have it; `rho` and `w` also have cells.
FIELDS = {
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


class TrafficMeasures:
    """The state of the traffic, empty at the start, and what is computed from it.

    Args:
        parameters: The model.
        blocks: How the scenarios are stored.
    """

    def __init__(self, parameters: TrafficParameters, blocks: Blocks) -> None:
        self.parameters = parameters
        self.blocks = blocks
        self.batch = blocks.batch
        self._constants = constants_of(parameters)
        self._fields = {name: blocks.zeros(links, self._cells(name)) for name, links in FIELDS.items()}
        self._fields["w"][:] = parameters.vf_m_s

    def _cells(self, name: str) -> int | None:
        return self.parameters.n_cells if name in _BY_CELL else None

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


def _read_only(values: Floats) -> Floats:
    values.setflags(write=False)
    return values
