"""What is read from SUMO's record, compared and written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.sumo.calibration import Discharge, measure_discharge, saturated
from tests.sumo.open_road import OPEN_ROAD, axis_alone
from tests.sumo.process import SumoFailed, SumoProcess
from tests.sumo.rows import Delays, Row, disagreements, order
from tests.sumo.tables import cause_table, delay_table, discharge_table, policy_table
from tests.sumo.trips import read_trips
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.demand import ScenarioAddress, Split, draw_scenario

TRIPS = """<tripinfos>
  <tripinfo id="0" depart="6.00" departDelay="1.00" duration="53.50" routeLength="610.00" timeLoss="6.00"/>
  <tripinfo id="1" depart="3590.00" departDelay="0.00" duration="10.00" routeLength="61.00" timeLoss="3.00"/>
  <tripinfo id="2" depart="-1.00" departDelay="30.00" duration="-1" routeLength="-1" timeLoss="-1"/>
</tripinfos>"""


def test_trips_on_the_road_and_before_the_entry_count(tmp_path: Path) -> None:
    path = tmp_path / "trips.xml"
    path.write_text(TRIPS, encoding="utf-8")
    found = read_trips(path, 12.2)
    assert found.vehicles == 3
    assert found.delay_s == pytest.approx((1.0 + 53.5 - 50.0 + 10.0 - 5.0 + 30.0) / 3)
    assert found.time_loss_s == pytest.approx((1.0 + 6.0 + 3.0 + 30.0) / 3)


def test_discharge_of_our_model_is_its_capacity_and_its_signal_times() -> None:
    settings = EnvironmentSettings(episode_s=600.0)
    found = measure_discharge(CrossingSimulation(settings, [saturated(settings)]))
    assert found.saturation_veh_h == pytest.approx(3600 * settings.traffic.capacity_veh_s, rel=0.01)
    assert found.start_up_lost_s == pytest.approx(settings.start_up_lost_s, abs=0.05)
    assert found.yellow_used_s == pytest.approx(settings.yellow_used_s, abs=0.05)


def test_an_axis_alone_keeps_its_vehicles_and_drivers() -> None:
    scenario = draw_scenario(ScenarioAddress(split=Split.TEST, index=3), episode_s=3600.0, vf_m_s=13.89)
    east_west = axis_alone(scenario, 1)
    assert np.array_equal(east_west.arrivals_veh[:2], scenario.arrivals_veh[2:])
    assert np.array_equal(east_west.w_in_m_s[:2], scenario.w_in_m_s[2:])
    assert not east_west.arrivals_veh[2:].any()


def row(name: str, ours: float, sumo: float) -> Row:
    spread = np.array([0.9, 1.0, 1.1])
    before = Delays(total_s=sumo * spread, before_s=0.8 * sumo * spread, time_loss_s=0.9 * sumo * spread)
    return Row(name=name, ours=Delays(total_s=ours * spread, before_s=0.7 * ours * spread), sumo=before)


AGREEING = [row("fixed_time", 28.0, 25.0), row("actuated", 18.0, 16.0), row("max_pressure", 23.0, 25.5 * 0.95)]


def test_agreement_needs_every_mean_within_15_percent_and_one_order() -> None:
    assert order(AGREEING, in_sumo=False) == order(AGREEING, in_sumo=True) == ["actuated", "max_pressure", "fixed_time"]
    assert disagreements(AGREEING) == []
    assert disagreements([*AGREEING[:2], row("max_pressure", 23.0, 27.0)]) == [
        "max_pressure: +17.4 % in SUMO, more than 15 %",
        "the order is actuated < max_pressure < fixed_time here and actuated < fixed_time < max_pressure in SUMO",
    ]
    assert disagreements([row("policy_1", 10.0, 99.0)]) == []  # a finding, not a condition


def test_tables_hold_every_row() -> None:
    rows = [row(OPEN_ROAD, 8.0, 4.0), replace(row("sumo_actuated", 1.0, 14.0), ours=None), *AGREEING]
    policy = row("policy_1", 18.5, 15.0)
    delays = delay_table([*rows, policy])
    assert len(delays) == 2 + 6 and delays[2].startswith("| no_signal | 8.00 [")
    assert "| sumo_actuated | - | 14.00 [" in "\n".join(delays)
    causes = cause_table([*rows, policy])
    assert "| actuated | 10.00, 12.00 (+20 %) | 12.60, 12.80 (+2 %) | 5.40, 3.20 (-41 %) |" in causes
    against = policy_table([*rows, policy], [policy])
    assert len(against) == 2 + 4 and against[2].startswith("| policy_1 | sumo_actuated | - | -7.14 [")
    measured = Discharge(saturation_veh_h=1872.1, start_up_lost_s=1.99, yellow_used_s=2.0)
    assert discharge_table(measured, measured)[2] == "| saturation flow (veh/h per lane) | 1872 | 1872 |"


def test_missing_sumo_is_named_with_the_command_that_installs_it(tmp_path: Path) -> None:
    with pytest.raises(SumoFailed, match="make prove-sumo"):
        SumoProcess(tmp_path)
