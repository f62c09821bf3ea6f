"""SUMO's vehicles as detectors, observations and measures of the project; vehicles are from a list, without SUMO."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tests.sumo.comparison import drive
from tests.sumo.detectors import cells_of
from tests.sumo.drivers import WITH_LAW
from tests.sumo.process import Snapshot
from tests.sumo.simulation import SumoSimulation, opened, shown
from validation_ch7.section_7_6_rl_performance.controllers.fixed_time import FixedTimeController
from validation_ch7.traffic.env.detectors import exit_veh, near_veh, oncoming_veh_s, standing_veh, upstream_veh
from validation_ch7.traffic.env.observation import observe
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.model.demand import Scenario, ScenarioAddress, Split
from validation_ch7.traffic.signal.two_phase import EAST_WEST

SETTINGS = EnvironmentSettings(episode_s=120.0)
VF = SETTINGS.traffic.vf_m_s
EMPTY: tuple[tuple[float, float], ...] = ()


class Road:
    """Shows the same vehicles after every step, and records the lights."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.lights: list[str | None] = []

    def step(self, lights: Sequence[str | None], every: int) -> list[Snapshot]:
        self.lights += lights
        return [self.snapshot] * (len(lights) // every)


def scenario() -> Scenario:
    arrivals = np.zeros((4, 12))
    arrivals[0, 0] = 20.0  # two a second
    address = ScenarioAddress(split=Split.TEST, index=0)
    return Scenario(address=address, arrivals_veh=arrivals, w_in_m_s=np.full((4, 12), VF))


def seen(
    *, north: Sequence[tuple[float, float]], south_exit: Sequence[tuple[float, float]] = (), waiting: int = 0
) -> Snapshot:
    lanes = [EMPTY] * 8
    lanes[0], lanes[4] = tuple(north), tuple(south_exit)
    return Snapshot(vehicles=tuple(lanes), waiting=(waiting, 0, 0, 0))


def simulated(snapshot: Snapshot, steps: int = 20) -> tuple[SumoSimulation, Road]:
    road = Road(snapshot)
    simulation = SumoSimulation(SETTINGS, scenario(), road)
    simulation.advance(steps)
    return simulation, road


def test_detectors_of_the_project_count_vehicles_of_sumo() -> None:
    north = [(299.0, 0.0), (292.4, 0.0), (285.0, VF / 2), (150.0, VF)]
    simulation, _ = simulated(seen(north=north, south_exit=[(0.0, 5.0), (300.0, VF)], waiting=3))
    assert standing_veh(simulation)[0] == pytest.approx([3 + 1 + 1 + 0.5 + 0.0, 0, 0, 0])
    assert near_veh(simulation, 100.0)[0] == pytest.approx([3, 0, 0, 0])
    assert upstream_veh(simulation)[0] == pytest.approx([4 + 3, 0, 0, 0])
    assert exit_veh(simulation)[0] == pytest.approx([2, 0, 0, 0])
    assert oncoming_veh_s(simulation, 30.0)[0] == pytest.approx([3 * VF / 30.0, 0, 0, 0])


def test_observation_is_that_of_the_project() -> None:
    simulation, _ = simulated(seen(north=[(299.0, 0.0), (250.0, VF), (150.0, VF)], waiting=2), steps=20)
    expected = np.zeros(15)
    expected[[0, 4, 8]] = np.log1p([3 / 20, 2 / 15, 1 / 30])
    expected[12], expected[14] = 1.0, 10.0 / 60.0
    assert observe(simulation)[0] == pytest.approx(expected, abs=1e-6)


def test_speed_of_every_cell_is_that_of_its_vehicles_even_above_the_jam_density() -> None:
    snapshot = seen(north=[(299.0, 2.0), (291.0, 4.0), (0.0, 7.0)])
    parameters = SETTINGS.traffic
    rho, w = cells_of(snapshot, parameters)
    speeds = w - parameters.pressure_slope * rho
    assert rho[0, 29] == pytest.approx(0.2) and speeds[0, 29] == pytest.approx(3.0)
    assert rho[0, 0] == pytest.approx(0.1) and speeds[0, 0] == pytest.approx(7.0)
    assert speeds[0, 1:29] == pytest.approx(VF) and rho.sum() == pytest.approx(0.3)


def test_arrived_and_served_vehicles_follow_from_the_demand() -> None:
    simulation, _ = simulated(seen(north=[(299.0, 0.0)], waiting=4), steps=20)
    assert simulation.traffic.total_arrived_veh()[0] == pytest.approx(20.0)
    assert simulation.traffic.total_served_veh()[0] == pytest.approx(20.0 - 4.0 - 1.0)


def test_delay_is_the_time_that_vehicles_lose_and_wait() -> None:
    simulation, _ = simulated(seen(north=[(299.0, 0.0), (150.0, VF / 4)], south_exit=[(50.0, VF / 2)], waiting=2), 20)
    assert simulation.traffic.approach_delay_veh_s()[0] == pytest.approx(10.0 * (2 + 1 + 0.75))
    assert simulation.traffic.delay_veh_s()[0] == pytest.approx(10.0 * (2 + 1 + 0.75 + 0.5))


def test_lights_are_those_of_the_signal_in_every_step() -> None:
    simulation, road = simulated(seen(north=[]), steps=20)
    simulation.request(np.array([EAST_WEST]))
    simulation.advance(10)
    assert road.lights == ["GGrr"] * 20 + ["yyrr"] * 6 + ["rrrr"] * 2 + ["rrGG"] * 2
    assert shown(simulation.signal) == "rrGG"


def test_own_programme_of_sumo_gets_no_lights() -> None:
    road = Road(seen(north=[]))
    drive(SumoSimulation(SETTINGS, scenario(), road, own_programme=True), None)
    assert road.lights == [None] * 240


def test_controller_decides_from_the_start_to_the_end_of_the_scenario() -> None:
    road = Road(seen(north=[]))
    simulation = SumoSimulation(SETTINGS, scenario(), road)
    drive(simulation, FixedTimeController(20, 16))
    half = [*["GGrr"] * 40, *["yyrr"] * 6, *["rrrr"] * 2, *["rrGG"] * 32, *["rryy"] * 6, *["rrrr"] * 2]
    assert road.lights == (half * 3)[:240]
    with pytest.raises(IndexError, match="cannot simulate 1 more steps"):
        simulation.advance(1)


def test_lights_of_drivers_with_the_speed_law_are_the_open_times_of_the_stop_line() -> None:
    road = Road(seen(north=()))
    simulation = SumoSimulation(SETTINGS, scenario(), road, drivers=WITH_LAW)
    drive(simulation, FixedTimeController(20.0, 20.0))
    first = [light[0] for light in road.lights[:60] if light]
    lost, used = round(SETTINGS.start_up_lost_s / 0.5), round(SETTINGS.yellow_used_s / 0.5)
    assert first[:lost] == ["r"] * lost and first[lost : 40 + used] == ["G"] * (40 + used - lost)
    assert first[40 + used : 46] == ["y"] * (6 - used) and first[46] == "r"
    assert opened(simulation.signal) == "".join(
        "G" if is_open else light.replace("G", "r")
        for is_open, light in zip(simulation.signal.gate(), shown(simulation.signal), strict=True)
    )
