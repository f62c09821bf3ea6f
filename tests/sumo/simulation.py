"""A crossing whose traffic SUMO simulates, and whose signal and detectors are this project's."""

from __future__ import annotations

import math

import numpy as np

from tests.bench.peers.sumo_crossing import CHANGE, GREEN
from tests.sumo.demand import departures
from tests.sumo.detectors import cells_of
from tests.sumo.drivers import OWN, Drivers
from tests.sumo.process import Roads, Snapshot
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.arz import Floats
from validation_ch7.traffic.model.demand import Scenario
from validation_ch7.traffic.numba_kernel.constants import N_APPROACHES
from validation_ch7.traffic.signal.two_phase import TwoPhaseSignal

ALL_RED = "rrrr"
_SAMPLED_S = 1.0


class SumoSimulation(CrossingSimulation):
    """One scenario. After each call of `advance`, `traffic` holds SUMO's vehicles as densities and speeds of cells.

    So every controller of the project decides here with its own code: it reads `traffic` and `signal`. The measures of
    `traffic` are sums of samples, one a second.

    Args:
        settings: The crossing.
        scenario: Its demand.
        roads: SUMO, started with this crossing and demand.
        own_programme: Whether SUMO's own programme controls the lights; `signal` then means nothing.
        drivers: Kind of the drivers; it decides which lights they see.
    """

    def __init__(
        self,
        settings: EnvironmentSettings,
        scenario: Scenario,
        roads: Roads,
        *,
        own_programme: bool = False,
        drivers: Drivers = OWN,
    ) -> None:
        super().__init__(settings, [scenario])
        self._roads = roads
        self._own_programme = own_programme
        self._shown = opened if drivers.with_law else shown
        self._arrived = _arrivals_by_step(scenario, settings, drivers)
        self._last_step = settings.steps("episode_s")

    def advance(self, n_steps: int) -> None:
        """Simulate steps; the lights change between them as in this project's model.

        Raises:
            IndexError: The steps go beyond the end of the scenario.
        """
        if self.steps_done + n_steps > self._last_step:
            raise IndexError(f"cannot simulate {n_steps} more steps: {self.steps_done} of {self._last_step} are done")
        lights: list[str | None] = []
        for _ in range(n_steps):
            lights.append(None if self._own_programme else self._shown(self.signal))
            self.signal.advance()
        every = math.gcd(n_steps, self.settings.steps_in(_SAMPLED_S))
        for snapshot in self._roads.step(lights, every):
            self.steps_done += every
            self._mirror(snapshot, every)

    def _mirror(self, snapshot: Snapshot, n_steps: int) -> None:
        """Copy SUMO's vehicles into `traffic`, as if they had been there for all of these steps."""
        parameters = self.traffic.parameters
        rho, w = cells_of(snapshot, parameters)
        waiting = np.array(snapshot.waiting, dtype=np.float64)
        arrived: Floats = self._arrived[:, self.steps_done - 1]
        inside = rho.sum(axis=1)
        before_exit = inside[:N_APPROACHES] + inside[N_APPROACHES:]
        served = arrived - waiting - before_exit * parameters.dx_m
        before = self.traffic.get_state()
        v = w - parameters.pressure_slope * rho
        now = {
            "rho": rho,
            "w": w,
            "queue_veh": waiting,
            "inside": inside,
            "arrived_veh": arrived,
            "served_sum": served / parameters.dt_s,
        }
        lasting = {"queue_sum": waiting, "inside_sum": inside, "flow_sum": (rho * v).sum(axis=1)}
        sums = {name: before[name] + n_steps * values for name, values in lasting.items()}
        self.traffic.set_state({**before, **now, **sums})


def shown(signal: TwoPhaseSignal) -> str:
    """Lights of the signal of one crossing in this step, one letter per movement: G, y or r."""
    phase = int(signal.phase[0])
    if signal.change_steps_left[0] == 0:
        return GREEN[phase]
    return CHANGE[1 - phase] if signal.is_yellow()[0] else ALL_RED


def opened(signal: TwoPhaseSignal) -> str:
    """The same, but G exactly where the stop line of the model is open: later than the green, and into the yellow."""
    lights = shown(signal).replace("G", "r")
    return "".join("G" if is_open else light for light, is_open in zip(lights, signal.gate(), strict=True))


def _arrivals_by_step(scenario: Scenario, settings: EnvironmentSettings, drivers: Drivers) -> Floats:
    """Vehicles that have arrived at each approach by the end of each step, shape (4, steps)."""
    arrived = np.zeros((N_APPROACHES, settings.steps("episode_s")))
    for one in departures(scenario, settings, drivers):
        if one.step < arrived.shape[1]:
            arrived[one.approach, one.step] += 1.0
    return arrived.cumsum(axis=1)
