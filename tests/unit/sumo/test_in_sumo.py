"""A short scenario in SUMO itself, where it is installed: `make prove-sumo` does that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.sumo.calibration import measure_discharge, saturated
from tests.sumo.comparison import InSumo, scenarios_at
from tests.sumo.drivers import WITH_LAW
from tests.sumo.hour import SumoCrossing, build_crossing
from tests.sumo.process import ENVIRONMENT, SumoFailed, SumoProcess
from tests.sumo.trips import read_trips
from validation_ch7.section_7_6_rl_performance.controllers.actuated import ActuatedController
from validation_ch7.section_7_6_rl_performance.controllers.fixed_time import FixedTimeController
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.env.simulation import CrossingSimulation

pytestmark = [
    pytest.mark.prove,
    pytest.mark.skipif(not (ENVIRONMENT / "bin" / "python").exists(), reason="SUMO is not installed: make prove-sumo"),
]

SETTINGS = EnvironmentSettings(episode_s=900.0)


@pytest.fixture
def crossing(tmp_path: Path) -> Iterator[SumoCrossing]:
    with SumoProcess() as sumo:
        yield build_crossing(SETTINGS, tmp_path, sumo)


def test_queues_of_sumo_discharge_as_those_of_the_model(crossing: SumoCrossing) -> None:
    ours = measure_discharge(CrossingSimulation(SETTINGS, [saturated(SETTINGS)]))
    with crossing.running(saturated(SETTINGS)) as simulation:
        sumo = measure_discharge(simulation)
    assert sumo.saturation_veh_h == pytest.approx(ours.saturation_veh_h, rel=0.02)
    assert sumo.start_up_lost_s == pytest.approx(ours.start_up_lost_s, abs=0.25)
    assert sumo.yellow_used_s == pytest.approx(ours.yellow_used_s, abs=0.25)


def test_queues_of_drivers_with_the_speed_law_discharge_as_those_of_the_model(crossing: SumoCrossing) -> None:
    ours = measure_discharge(CrossingSimulation(SETTINGS, [saturated(SETTINGS)]))
    with replace(crossing, drivers=WITH_LAW).running(saturated(SETTINGS)) as simulation:
        sumo = measure_discharge(simulation)
    assert sumo.saturation_veh_h == pytest.approx(ours.saturation_veh_h, rel=0.04)
    assert sumo.start_up_lost_s == pytest.approx(ours.start_up_lost_s, abs=0.25)
    assert sumo.yellow_used_s == pytest.approx(ours.yellow_used_s, abs=0.25)


def test_scenario_gives_the_same_delay_again_and_by_the_measure_of_the_project(crossing: SumoCrossing) -> None:
    scenario = scenarios_at(SETTINGS, range(1))
    run = InSumo(crossing=crossing, scenarios=scenario, say=lambda line: None)
    first, again = (run.evaluate(ActuatedController(gap_s=1.5, max_green_s=60.0)) for _ in range(2))
    assert np.array_equal(first.total_s, again.total_s) and np.array_equal(first.before_s, again.before_s)
    with crossing.running(scenario[0]) as simulation:
        simulation.advance(SETTINGS.steps("episode_s"))
    trips = read_trips(crossing.trips, SETTINGS.traffic.vf_m_s)
    assert trips.vehicles == simulation.traffic.total_arrived_veh()[0] == scenario[0].arrivals_veh.sum()
    assert simulation.traffic.delay_veh_s()[0] / trips.vehicles == pytest.approx(trips.delay_s, rel=0.03)


def test_long_greens_of_a_fixed_plan_delay_more_than_actuated_control(crossing: SumoCrossing) -> None:
    run = InSumo(crossing=crossing, scenarios=scenarios_at(SETTINGS, range(1)), say=lambda line: None)
    controllers = (ActuatedController(gap_s=1.5, max_green_s=60.0), None, FixedTimeController(90.0, 90.0))
    actuated, own, fixed = (float(run.evaluate(one).total_s[0]) for one in controllers)
    assert actuated < fixed and own < fixed


def test_error_of_sumo_is_shown(crossing: SumoCrossing) -> None:
    with pytest.raises(SumoFailed, match=r"missing\.net\.xml"):
        crossing.sumo.start(["--net-file", "missing.net.xml"])
