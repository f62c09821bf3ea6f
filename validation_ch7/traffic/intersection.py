"""One signalised crossing as a network of lanes: four approaches, four exits, through traffic, many at once.

Lane `link * batch + scenario` holds one link of one scenario; links 0-3 are the approaches from N, S, E, W, and
link `4 + i` is the exit that approach `i` leads to.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from validation_ch7.traffic import arz
from validation_ch7.traffic.arz import Floats
from validation_ch7.traffic.parameters import TrafficParameters
from validation_ch7.traffic.state_tree import array_from

N_APPROACHES = 4
N_LINKS = 2 * N_APPROACHES
_STATE_SHAPES = {
    "rho": "lanes by cells",
    "w": "lanes by cells",
    "queue_veh": "approach lanes",
    "time_veh_s": "lanes",
    "distance_veh_m": "lanes",
    "queue_time_veh_s": "approach lanes",
    "arrived_veh": "approach lanes",
    "served_veh": "approach lanes",
}


class Intersection:
    """Traffic of a batch of independent crossings, empty at the start.

    A vehicle that finds no room at the entry of an approach waits in a vertical queue, where its time counts as
    any other's: no controller can hide a queue outside the network. Exits end freely.

    Args:
        parameters: The model.
        batch: Scenarios side by side.

    Attributes:
        rho: Densities, shape (lanes, cells), veh/m.
        w: Driver attributes, shape (lanes, cells), m/s.
        queue_veh: Vertical entry queues, shape (4 * batch,), vehicles.
        time_veh_s: Time spent on each lane so far, shape (lanes,), vehicle-seconds.
        distance_veh_m: Distance driven on each lane so far, shape (lanes,), vehicle-metres.
        queue_time_veh_s: Time spent in the entry queues so far, shape (4 * batch,), vehicle-seconds.
        arrived_veh: Vehicles that came to each entry so far, shape (4 * batch,).
        served_veh: Vehicles that left by each exit so far, shape (4 * batch,).
    """

    def __init__(self, parameters: TrafficParameters, batch: int) -> None:
        if batch < 1:
            raise ValueError(f"batch is {batch}, and must be at least 1")
        self.parameters = parameters
        self.batch = batch
        lanes, cells = N_LINKS * batch, parameters.n_cells
        # Memory order F keeps each cell's column of lanes together: shifted slices such as rho[:, 1:] are then
        # contiguous, and sums over cells add whole columns in the same order for every batch.
        self.rho: Floats = np.zeros((lanes, cells), order="F")
        self.w: Floats = np.full((lanes, cells), parameters.vf_m_s, order="F")
        self._flux: Floats = np.zeros((lanes, cells + 1), order="F")
        self._w_inflow: Floats = np.empty(lanes)
        self.queue_veh: Floats = np.zeros(N_APPROACHES * batch)
        self.time_veh_s: Floats = np.zeros(lanes)
        self.distance_veh_m: Floats = np.zeros(lanes)
        self.queue_time_veh_s: Floats = np.zeros(N_APPROACHES * batch)
        self.arrived_veh: Floats = np.zeros(N_APPROACHES * batch)
        self.served_veh: Floats = np.zeros(N_APPROACHES * batch)

    def advance(self, gate: Floats, inflow_veh: Floats, w_in: Floats) -> None:
        """Move all traffic on by one step.

        Args:
            gate: 1 where the stop line is open and 0 where it is closed, shape (4 * batch,).
            inflow_veh: Vehicles that arrive at each entry during the step, shape (4 * batch,).
            w_in: Driver attribute of those who enter, shape (4 * batch,), m/s.
        """
        flux = self._boundary_and_interior_flux(gate, inflow_veh, w_in)
        self._account(flux)
        self.rho, w = arz.update_cells(self.rho, self.w, flux, self._w_inflow, self.parameters)
        self.w = arz.relax(w, self.parameters)

    def _boundary_and_interior_flux(self, gate: Floats, inflow_veh: Floats, w_in: Floats) -> Floats:
        """All flows of this step, shape (lanes, cells + 1) in veh/s; moves the entry queues as well."""
        parameters, rho, w, flux = self.parameters, self.rho, self.w, self._flux
        first_exit = N_APPROACHES * self.batch
        v = arz.speed(rho, w, parameters)
        flux[:, 1:-1] = arz.godunov_flux(rho[:, :-1], w[:, :-1], v[:, 1:], parameters)
        # A stop line is an interface like any other while it is open: min(demand, supply). A full exit closes it
        # by itself, so spillback needs no rule.
        stop_line = arz.godunov_flux(rho[:first_exit, -1], w[:first_exit, -1], v[first_exit:, 0], parameters)
        stop_line *= gate
        flux[:first_exit, -1] = stop_line
        flux[first_exit:, 0] = stop_line
        flux[first_exit:, -1] = arz.demand(rho[first_exit:, -1], w[first_exit:, -1], parameters)
        flux[:first_exit, 0] = self._enter(inflow_veh, arz.supply(w_in, v[:first_exit, 0], parameters))
        self._w_inflow[:first_exit] = w_in
        self._w_inflow[first_exit:] = w[:first_exit, -1]
        return flux

    def _enter(self, inflow_veh: Floats, room_veh_s: Floats) -> Floats:
        """Flow out of the entry queues in veh/s: all who wait and come, as far as the first cell has room."""
        waiting = self.queue_veh + inflow_veh
        entering = np.minimum(waiting, room_veh_s * self.parameters.dt_s)
        self.queue_veh = waiting - entering
        self.arrived_veh += inflow_veh
        entering /= self.parameters.dt_s
        return entering

    def _account(self, flux: Floats) -> None:
        """Add this step's times and distances.

        A vehicle that leaves a cell has come one cell further; a whole passage counts exactly the link's length.
        No flow is above `rho vf`, so the delay of a step, `dt dx (rho - flow / vf)` per cell, is never negative.
        """
        dt_s, dx_m = self.parameters.dt_s, self.parameters.dx_m
        self.time_veh_s += self.rho.sum(axis=1) * (dx_m * dt_s)
        self.distance_veh_m += flux[:, 1:].sum(axis=1) * (dx_m * dt_s)
        self.queue_time_veh_s += self.queue_veh * dt_s
        self.served_veh += flux[N_APPROACHES * self.batch :, -1] * dt_s

    def delay_veh_s(self) -> Floats:
        """Delay so far, shape (batch,), vehicle-seconds: time in network and entry queues beyond free driving."""
        return self._per_scenario(self._lane_delay_veh_s()) + self._per_scenario(self.queue_time_veh_s)

    def approach_delay_veh_s(self) -> Floats:
        """The part of the delay that was spent before the stop lines, shape (batch,), vehicle-seconds."""
        before_stop_line = self._lane_delay_veh_s()[: N_APPROACHES * self.batch]
        return self._per_scenario(before_stop_line) + self._per_scenario(self.queue_time_veh_s)

    def total_time_veh_s(self) -> Floats:
        """Time in the network and in the entry queues so far, shape (batch,), vehicle-seconds."""
        return self._per_scenario(self.time_veh_s) + self._per_scenario(self.queue_time_veh_s)

    def total_distance_veh_m(self) -> Floats:
        """Distance driven so far, shape (batch,), vehicle-metres."""
        return self._per_scenario(self.distance_veh_m)

    def total_arrived_veh(self) -> Floats:
        """Vehicles that came so far, shape (batch,)."""
        return self._per_scenario(self.arrived_veh)

    def total_served_veh(self) -> Floats:
        """Vehicles that left the network so far, shape (batch,)."""
        return self._per_scenario(self.served_veh)

    def stored_veh(self) -> Floats:
        """Vehicles in the network and in the entry queues now, shape (batch,)."""
        inside = self._per_scenario(self.rho.sum(axis=1) * self.parameters.dx_m)
        return inside + self._per_scenario(self.queue_veh)

    def _lane_delay_veh_s(self) -> Floats:
        return self.time_veh_s - self.distance_veh_m / self.parameters.vf_m_s

    def _per_scenario(self, by_lane: Floats) -> Floats:
        """Sum over links, link after link: the same order of additions in every batch."""
        by_link = by_lane.reshape(-1, self.batch)
        total: Floats = by_link[0].copy()
        for row in by_link[1:]:
            total += row
        return total

    def get_state(self) -> dict[str, object]:
        """All that the next steps depend on, as copies."""
        return {name: np.array(getattr(self, name)) for name in _STATE_SHAPES}

    def set_state(self, state: Mapping[str, object]) -> None:
        """Continue from a state; copies it.

        Raises:
            ValueError: It is not the state of a batch and model of this size.
        """
        if set(state) != set(_STATE_SHAPES):
            raise ValueError(f"traffic state has keys {sorted(state)}, expected {sorted(_STATE_SHAPES)}")
        for name in _STATE_SHAPES:
            setattr(self, name, array_from(state, name, like=getattr(self, name)))
