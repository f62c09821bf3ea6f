"""The demand of a scenario as SUMO's vehicles."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

from tests.sumo.demand import departures, write_routes
from tests.sumo.drivers import CALIBRATED, OWN, WITH_LAW, constant_speed_factor
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.model.demand import Scenario, ScenarioAddress, Split, draw_scenario
from validation_ch7.traffic.parameters import TrafficParameters

SETTINGS = EnvironmentSettings()
VF = SETTINGS.traffic.vf_m_s


def drawn(index: int = 0) -> Scenario:
    address = ScenarioAddress(split=Split.TEST, index=index)
    return draw_scenario(address, episode_s=SETTINGS.episode_s, vf_m_s=VF)


def test_every_vehicle_arrives_in_its_own_ten_seconds_with_its_own_driver() -> None:
    scenario = drawn()
    found = np.zeros_like(scenario.arrivals_veh)
    for one in departures(scenario, SETTINGS, OWN):
        row = one.step // 20
        found[one.approach, row] += 1.0
        assert one.speed_factor == OWN.speed_factor(float(scenario.w_in_m_s[one.approach, row]), SETTINGS.traffic)
    assert np.array_equal(found, scenario.arrivals_veh)


def test_vehicles_of_a_bin_arrive_at_equal_intervals() -> None:
    arrivals = np.zeros((4, 2))
    arrivals[2, 1] = 4.0
    scenario = Scenario(address=drawn().address, arrivals_veh=arrivals, w_in_m_s=np.full((4, 2), VF))
    assert [(one.step, one.approach) for one in departures(scenario, SETTINGS, OWN)] == [
        (22, 2),
        (27, 2),
        (32, 2),
        (37, 2),
    ]


def test_driver_attribute_becomes_the_speed_of_an_equally_long_free_trip() -> None:
    traffic = TrafficParameters()
    assert constant_speed_factor(VF, traffic) == pytest.approx(1.0)
    w, dt_s, position_m, time_s = 0.8 * VF, 0.001, 0.0, 0.0
    while position_m < 600.0:  # the model's equation for a driver alone on the road
        position_m += w * dt_s
        w += (VF - w) * dt_s / traffic.tau_s
        time_s += dt_s
    assert constant_speed_factor(0.8 * VF, traffic) == pytest.approx(600.0 / time_s / VF, rel=1e-3)


def test_route_file_holds_the_vehicles_in_order_and_the_jam_density(tmp_path: Path) -> None:
    path = write_routes(tmp_path / "routes.xml", drawn(), SETTINGS, OWN)
    root = ElementTree.parse(path).getroot()
    (kind,) = root.iter("vType")
    assert float(kind.attrib["length"]) + float(kind.attrib["minGap"]) == pytest.approx(1 / 0.15, rel=1e-3)
    departs = [float(one.attrib["depart"]) for one in root.iter("vehicle")]
    assert len(departs) == drawn().arrivals_veh.sum() and departs == sorted(departs) and departs[-1] < 3600.0
    by_route = [sum(one.attrib["route"] == arm for one in root.iter("vehicle")) for arm in "NSEW"]
    assert by_route == drawn().arrivals_veh.sum(axis=1).tolist()
    routes = {one.attrib["id"]: one.attrib["edges"] for one in root.iter("route")}
    assert routes == {"N": "N_in S_out", "S": "S_in N_out", "E": "E_in W_out", "W": "W_in E_out"}


def test_drivers_have_only_what_is_calibrated_and_what_follows_from_the_model() -> None:
    found = OWN.vehicle_type(SETTINGS)
    assert (found["carFollowModel"], found["speedFactor"], found["speedDev"]) == ("Krauss", "1", "0")
    known = {"carFollowModel", "speedFactor", "speedDev", "minGap", "length"}
    assert {name: float(value) for name, value in found.items() if name not in known} == CALIBRATED


def test_drivers_with_the_speed_law_begin_with_their_own_attribute_and_need_no_calibration() -> None:
    traffic = SETTINGS.traffic
    assert WITH_LAW.speed_factor(0.8 * VF, traffic) == pytest.approx(0.8)
    law = WITH_LAW.law(SETTINGS)
    assert law is not None and OWN.law(SETTINGS) is None
    assert law["jam_spacing_m"] * traffic.rho_jam_veh_m == pytest.approx(1.0)
    assert law["kept_share"] ** (traffic.tau_s / traffic.dt_s) == pytest.approx(np.exp(-1.0))
    assert not set(CALIBRATED) - {"tau"} & set(WITH_LAW.vehicle_type(SETTINGS))
