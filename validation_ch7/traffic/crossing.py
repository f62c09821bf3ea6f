"""The network: four roads through one signalised crossing, batched over scenarios.

Each road is an approach and its exit in one row of cells; the stop line is the interface between them, and the
signal multiplies its flux. Traffic goes straight on. Vehicles that do not fit wait in a queue before the entry
and their waiting counts as delay, so that no controller can hide a jam outside the network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from validation_ch7.traffic import arz
from validation_ch7.traffic.demand import INTERVAL_S, Scenario
from validation_ch7.traffic.parameters import CrossingParameters
from validation_ch7.traffic.signal import Signal

Array = npt.NDArray[np.float64]

ROADS = ("north", "south", "east", "west")
_DENSITIES = ("rho", "w", "entry_queue_veh")
_SUMS = ("delay_veh_s", "arrived_veh", "served_veh", "distance_veh_m", "presence_veh_s", "queue_veh_s")


class Crossing:
    """n crossings, each with its scenario, on one clock.

    Attributes:
        rho: (n, 4, 2 cells) density, veh/m.
        w: Same shape, m/s.
        entry_queue_veh: (n, 4) vehicles waiting before the entry.
        signal: The signals.
        tick: Time steps since the episode began.
        delay_veh_s: (n,) time lost against free speed since then, entry queues included, veh s.
        arrived_veh: (n,) vehicles that came to an entry.
        served_veh: (n,) vehicles that left by an exit.
        distance_veh_m: (n,) distance driven by all vehicles, veh m.
        presence_veh_s: (n,) time that vehicles spent on the roads, veh s.
        queue_veh_s: (n,) integral of the vehicles standing or slowed on the approaches, veh s.
    """

    def __init__(self, n: int, parameters: CrossingParameters) -> None:
        self.parameters = parameters
        self._traffic = parameters.traffic
        self._cells = parameters.cells
        shape = (n, len(ROADS), 2 * self._cells)
        self.signal = Signal(n, parameters)
        self.rho: Array = np.zeros(shape)
        self.w: Array = np.full(shape, self._traffic.free_speed_m_s)
        self.entry_queue_veh: Array = np.zeros((n, len(ROADS)))
        self.delay_veh_s, self.arrived_veh, self.served_veh, self.distance_veh_m = (np.zeros(n) for _ in range(4))
        self.presence_veh_s, self.queue_veh_s = np.zeros(n), np.zeros(n)
        self.tick = 0
        self._arrivals: Array = np.zeros((n, len(ROADS), 1))
        self._w_in: Array = np.full((n, len(ROADS), 1), self._traffic.free_speed_m_s)
        self._ticks_per_interval = parameters.ticks(INTERVAL_S)

    def reset(self, scenarios: Sequence[Scenario]) -> None:
        """Begin an episode: empty roads, phase 0.

        Args:
            scenarios: One for each crossing.
        """
        self.rho[:] = 0.0
        self.w[:] = self._traffic.free_speed_m_s
        self.entry_queue_veh[:] = 0.0
        for name in _SUMS:
            getattr(self, name)[:] = 0.0
        self.signal.reset()
        self.tick = 0
        self._arrivals = np.stack([one.arrivals_veh for one in scenarios])
        self._w_in = np.stack([one.w_m_s for one in scenarios])

    @property
    def time_s(self) -> float:
        """Simulated time since the episode began."""
        return self.tick * self.parameters.dt_s

    @property
    def done(self) -> bool:
        """Whether the episode is over."""
        return self.tick >= self.parameters.ticks(self.parameters.episode_s)

    def advance(self, ticks: int) -> None:
        """Let time steps pass under the signals as they are and change."""
        passed = _Passed.none(self.rho, self.entry_queue_veh)
        for _ in range(ticks):
            self._step(passed)
        self._account(passed)

    def approach_queue_veh(self) -> Array:
        """(n, 4) effective queue of each approach: vehicles weighted by the share of free speed that they lack."""
        rho, w = self.rho[..., : self._cells], self.w[..., : self._cells]
        v = arz.speed(rho, w, self._traffic)
        lacking: Array = (rho * (1.0 - v / self._traffic.free_speed_m_s)).sum(axis=-1) * self._traffic.dx_m
        return lacking

    def approach_density(self) -> Array:
        """(n, 4, cells) density of the approaches, veh/m, from the entry to the stop line."""
        return self.rho[..., : self._cells]

    def get_state(self) -> dict[str, object]:
        """Everything, copied: arrays and whole numbers only."""
        state: dict[str, object] = {name: getattr(self, name).copy() for name in (*_DENSITIES, *_SUMS)}
        state |= {"tick": self.tick, "arrivals": self._arrivals.copy(), "w_in": self._w_in.copy()}
        return {**state, "signal": self.signal.get_state()}

    def set_state(self, state: Mapping[str, object]) -> None:
        """Put a state back, copied."""
        for name in (*_DENSITIES, *_SUMS):
            getattr(self, name)[:] = np.asarray(state[name], dtype=np.float64)
        self._arrivals = np.array(state["arrivals"], dtype=np.float64)
        self._w_in = np.array(state["w_in"], dtype=np.float64)
        self.tick = int(np.asarray(state["tick"]))
        signal = state["signal"]
        if not isinstance(signal, Mapping):
            raise ValueError("the state of the crossing has no signal")
        self.signal.set_state(signal)

    def _step(self, passed: _Passed) -> None:
        traffic, dt_s = self._traffic, self.parameters.dt_s
        interval = self.tick // self._ticks_per_interval
        rate = self._arrivals[..., interval] / INTERVAL_S
        v = arz.speed(self.rho, self.w, traffic)
        flux = self._fluxes(rate, self._w_in[..., interval], v)
        passed.add(self.rho, v, self.entry_queue_veh, rate, flux.vehicles[..., -1])
        self.entry_queue_veh = np.maximum(self.entry_queue_veh + dt_s * (rate - flux.vehicles[..., 0]), 0.0)
        self.rho, w = arz.update(self.rho, self.w, flux, traffic)
        self.w = arz.relax(w, traffic)
        self.signal.tick()
        self.tick += 1

    def _fluxes(self, rate: Array, w_in: Array, v: Array) -> arz.InterfaceFlux:
        traffic = self._traffic
        vehicles = np.empty((*self.rho.shape[:-1], self.rho.shape[-1] + 1))
        vehicles[..., 1:-1] = arz.godunov_flux(self.rho, self.w, v, traffic)
        vehicles[..., self._cells] *= self.signal.gates()
        waiting = self.entry_queue_veh / self.parameters.dt_s + rate
        vehicles[..., 0] = np.minimum(waiting, arz.supply(w_in, v[..., 0], traffic))
        vehicles[..., -1] = arz.demand(self.rho[..., -1], self.w[..., -1], traffic)
        return arz.InterfaceFlux(vehicles=vehicles, w=np.concatenate([w_in[..., None], self.w], axis=-1))

    def _account(self, passed: _Passed) -> None:
        """Add what has passed to the sums of the episode."""
        dt_s, dx_m, vf = self.parameters.dt_s, self._traffic.dx_m, self._traffic.free_speed_m_s
        near, beyond = _halves(passed.rho, self._cells)
        near_flow, beyond_flow = _halves(passed.flow, self._cells)
        present = over_roads(near + beyond) * dx_m
        moving = over_roads(near_flow + beyond_flow) * dx_m
        waiting = over_roads(passed.waiting)
        self.delay_veh_s += dt_s * (present - moving / vf + waiting)
        self.presence_veh_s += dt_s * present
        self.distance_veh_m += dt_s * moving
        self.queue_veh_s += dt_s * (over_roads(near - near_flow / vf) * dx_m + waiting)
        self.arrived_veh += dt_s * over_roads(passed.arriving)
        self.served_veh += dt_s * over_roads(passed.leaving)


@dataclass(slots=True, kw_only=True)
class _Passed:
    """Sums over the time steps of one `advance`, cell by cell: reduced once at its end, not at every step."""

    rho: Array
    flow: Array
    waiting: Array
    arriving: Array
    leaving: Array

    @classmethod
    def none(cls, cells: Array, roads: Array) -> _Passed:
        return cls(
            rho=np.zeros_like(cells),
            flow=np.zeros_like(cells),
            waiting=np.zeros_like(roads),
            arriving=np.zeros_like(roads),
            leaving=np.zeros_like(roads),
        )

    def add(self, rho: Array, v: Array, waiting: Array, arriving: Array, leaving: Array) -> None:
        self.rho += rho
        self.flow += rho * v
        self.waiting += waiting
        self.arriving += arriving
        self.leaving += leaving


def _halves(values: Array, cells: int) -> tuple[Array, Array]:
    """(n, 4, 2 cells) -> sums over the approach and over the exit, (n, 4) each."""
    return values[..., :cells].sum(axis=-1), values[..., cells:].sum(axis=-1)


def over_roads(values: Array) -> Array:
    """(n, 4) -> (n,): the sum in a fixed order, so that the batch cannot change its rounding."""
    total: Array = (values[:, 0] + values[:, 1]) + (values[:, 2] + values[:, 3])
    return total
