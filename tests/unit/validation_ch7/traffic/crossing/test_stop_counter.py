"""Stops at a fixed-time signal against the exact solution of the kinematic waves.

With `w = vf` everywhere, uniform arrivals drive at `va` into a queue that begins at red and is dissolved by the fan of
the green. A vehicle at the back of the queue brakes from `va` to the speed `vb` there: `(va - vb) / vf` of a stop. The
back is a shock; its path is an ordinary differential equation, which only this test integrates numerically.
"""

import numpy as np
import pytest

from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.demand import Scenario, ScenarioAddress, Split, draw_scenarios
from validation_ch7.traffic.parameters import TrafficParameters

MEASURED_FROM_S, EPISODE_S = 1800.0, 3600.0
CLOSED = {"yellow_used_s": 0.0, "start_up_lost_s": 0.0}  # vehicles pass exactly while the lamp is green


def exact_stops(flow_veh_s: float, red_s: float, cycle_s: float, parameters: TrafficParameters) -> float:
    """Exact stops per vehicle."""
    vf, jam = parameters.vf_m_s, parameters.rho_jam_veh_m
    rho_a = jam * (1.0 - np.sqrt(1.0 - 4.0 * flow_veh_s / (vf * jam))) / 2.0
    v_a = vf * (1.0 - rho_a / jam)
    back_m, braked, time_s, dt_s = 0.0, 0.0, 0.0, 1e-3
    while True:
        in_queue = time_s <= red_s or back_m >= vf * (time_s - red_s)
        v_b = 0.0 if in_queue else (vf - back_m / (time_s - red_s)) / 2.0
        if v_b >= v_a:
            break
        rho_b = jam * (1.0 - v_b / vf)
        shock_m_s = (rho_b * v_b - flow_veh_s) / (rho_b - rho_a)
        braked += rho_a * (v_a - shock_m_s) * (v_a - v_b) / vf * dt_s
        back_m -= shock_m_s * dt_s
        time_s += dt_s
        if back_m <= 0.0:
            break
    return braked / (flow_veh_s * cycle_s)


def uniform(flow_veh_h: float, vf_m_s: float) -> Scenario:
    bins = round(EPISODE_S / 10.0)
    arrivals = np.full((4, bins), flow_veh_h / 360.0)
    return Scenario(
        address=ScenarioAddress(split=Split.TUNING, index=0),
        arrivals_veh=arrivals,
        w_in_m_s=np.full((4, bins), vf_m_s),
    )


def measured_stops(flows_veh_h: list[float], green_s: float, settings: EnvironmentSettings) -> np.ndarray:
    """Stops per vehicle of each flow under a plan of equal greens, over the second half of an hour."""
    traffic = settings.traffic
    simulation = CrossingSimulation(settings, [uniform(q, traffic.vf_m_s) for q in flows_veh_h], counts_stops=True)
    before = np.zeros(0)
    for second in range(round(EPISODE_S)):
        if second == round(MEASURED_FROM_S):
            before = simulation.traffic.stops.stops_veh
        green_is_over = simulation.signal.green_steps >= settings.steps_in(green_s)
        simulation.request(np.where(green_is_over, 1 - simulation.signal.phase, simulation.signal.phase))
        simulation.advance(settings.steps_in(1.0))
    counted = (simulation.traffic.stops.stops_veh - before).reshape(4, -1).mean(axis=0)
    return counted / (np.array(flows_veh_h) / 3600.0 * (EPISODE_S - MEASURED_FROM_S))


@pytest.mark.parametrize(("dx_m", "dt_s", "within"), [(10.0, 0.5, 0.05), (5.0, 0.25, 0.05)])
def test_stops_at_a_fixed_time_signal_equal_the_exact_ones(dx_m: float, dt_s: float, within: float) -> None:
    settings = EnvironmentSettings.from_mapping({"dx_m": dx_m, "dt_s": dt_s, **CLOSED})
    flows, green_s, change_s = [300.0, 500.0, 700.0], 26.0, 4.0
    cycle_s = 2.0 * (green_s + change_s)
    expected = [exact_stops(q / 3600.0, cycle_s - green_s, cycle_s, settings.traffic) for q in flows]
    assert measured_stops(flows, green_s, settings) == pytest.approx(expected, rel=within)


def test_no_vehicle_stops_at_permanent_green_and_every_one_at_permanent_red() -> None:
    settings = EnvironmentSettings.from_mapping({"max_green_s": 3600.0, "start_up_lost_s": 0.0})
    simulation = CrossingSimulation(settings, [uniform(300.0, settings.traffic.vf_m_s)], counts_stops=True)
    simulation.advance(settings.steps_in(EPISODE_S))
    stops = simulation.traffic.stops.stops_veh / simulation.traffic.arrived_veh
    # At red, the vehicles still approaching at the end have not stopped yet, so the ratio is slightly below 1.
    assert stops[:2] == pytest.approx([0.0, 0.0], abs=1e-3)
    assert stops[2:] == pytest.approx([1.0, 1.0], abs=0.06)


def test_entries_add_about_0_083_stops_per_vehicle_at_permanent_green() -> None:
    """As docs/SCIENCE.md states: some random arrivals come faster than the entry admits them, under any control."""
    settings = EnvironmentSettings.from_mapping({"max_green_s": 3600.0, "start_up_lost_s": 0.0})
    addresses = [ScenarioAddress(split=Split.TEST, index=index) for index in range(400)]
    scenarios = draw_scenarios(addresses, episode_s=settings.episode_s, vf_m_s=settings.traffic.vf_m_s)
    simulation = CrossingSimulation(settings, scenarios, counts_stops=True)
    simulation.advance(settings.steps_in(EPISODE_S))
    stops, came = simulation.traffic.stops.stops_veh.reshape(4, -1), simulation.traffic.arrived_veh.reshape(4, -1)
    always_green = stops[:2].sum(axis=0) / came[:2].sum(axis=0)
    assert always_green.mean() == pytest.approx(0.083, abs=0.0005)


def test_counting_does_not_change_the_traffic_and_is_independent_of_blocks_and_cuts() -> None:
    settings = EnvironmentSettings.from_mapping({})
    addresses = [ScenarioAddress(split=Split.TUNING, index=index) for index in range(5)]
    scenarios = draw_scenarios(addresses, episode_s=settings.episode_s, vf_m_s=settings.traffic.vf_m_s)
    kinds = [{"counts_stops": True}, {"counts_stops": True, "widest_block": 2}, {}]
    plain, blocked, uncounted = (CrossingSimulation(settings, scenarios, **kind) for kind in kinds)
    for minute in range(10):
        for simulation in (plain, blocked, uncounted):
            simulation.request(np.full(5, minute % 2))
        plain.advance(120)
        uncounted.advance(120)
        for _ in range(4):
            blocked.advance(30)
    assert np.array_equal(plain.traffic.rho, uncounted.traffic.rho)
    assert np.array_equal(plain.traffic.stops.stops_veh, blocked.traffic.stops.stops_veh)
    assert plain.traffic.stops.stops_veh.min() > 0.0
    with pytest.raises(RuntimeError, match="not counted"):
        _ = uncounted.traffic.stops.stops_veh
