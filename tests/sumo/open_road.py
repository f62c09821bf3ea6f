"""The same demand without a signal: each axis alone, its light green for the whole hour, in both simulators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tests.sumo.comparison import advance_in_parts
from tests.sumo.hour import SumoCrossing
from tests.sumo.rows import Delays, Row
from tests.sumo.trips import read_trips
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.arz import Floats
from validation_ch7.traffic.model.demand import Scenario

OPEN_ROAD = "no_signal"
_AXES = 2


def measure_open_road(crossing: SumoCrossing, scenarios: Sequence[Scenario]) -> Row:
    """Delay per vehicle that has other causes than the signal."""
    always_green = replace(crossing.settings, max_green_s=crossing.settings.episode_s)
    arrived = np.array([scenario.arrivals_veh.sum() for scenario in scenarios])
    ours, sumo = np.zeros((2, len(scenarios))), np.zeros((3, len(scenarios)))
    for axis in range(_AXES):
        alone = [axis_alone(scenario, axis) for scenario in scenarios]
        ours += _here(always_green, alone)
        sumo += np.array([_in_sumo(replace(crossing, settings=always_green), one) for one in alone]).T
    ours, sumo = ours / arrived, sumo / arrived
    return Row(
        name=OPEN_ROAD,
        ours=Delays(total_s=ours[0], before_s=ours[1]),
        sumo=Delays(total_s=sumo[0], before_s=sumo[1], time_loss_s=sumo[2]),
    )


def axis_alone(scenario: Scenario, axis: int) -> Scenario:
    """The vehicles of one axis on the first axis, whose light is green at the start, and none on the other."""
    mine = slice(2 * axis, 2 * axis + 2)
    arrivals, w_in = np.zeros_like(scenario.arrivals_veh), scenario.w_in_m_s.copy()
    arrivals[:2], w_in[:2] = scenario.arrivals_veh[mine], scenario.w_in_m_s[mine]
    return replace(scenario, arrivals_veh=arrivals, w_in_m_s=w_in)


def _here(settings: EnvironmentSettings, scenarios: Sequence[Scenario]) -> Floats:
    """Delay in all and before the stop lines, shape (2, n), vehicle-seconds."""
    simulation = CrossingSimulation(settings, scenarios)
    simulation.advance(settings.steps("episode_s"))
    return np.array([simulation.traffic.delay_veh_s(), simulation.traffic.approach_delay_veh_s()])


def _in_sumo(crossing: SumoCrossing, scenario: Scenario) -> tuple[float, float, float]:
    """Delay in all, before the stop lines, and SUMO's own measure, in vehicle-seconds."""
    settings = crossing.settings
    with crossing.running(scenario) as simulation:
        advance_in_parts(simulation, settings.steps("episode_s"))
    trips = read_trips(crossing.trips, settings.traffic.vf_m_s)
    before = float(simulation.traffic.approach_delay_veh_s()[0])
    return trips.delay_s * trips.vehicles, before, trips.time_loss_s * trips.vehicles
