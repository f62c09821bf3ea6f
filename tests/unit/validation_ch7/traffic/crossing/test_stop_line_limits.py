"""A limit at a stop line: no more passes, nothing vanishes, and a limit that is never reached changes no bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.demand import Scenario, ScenarioAddress, Split, draw_scenario

SETTINGS = EnvironmentSettings(episode_s=600.0)
LIMIT_VEH_S = 0.1


def scenarios(*limits_veh_s: float | None) -> list[Scenario]:
    """Scenarios with a limit on the western approach."""
    found = []
    for index, limit_veh_s in enumerate(limits_veh_s):
        address = ScenarioAddress(split=Split.TEST, index=index)
        one = draw_scenario(address, episode_s=SETTINGS.episode_s, vf_m_s=SETTINGS.traffic.vf_m_s)
        if limit_veh_s is not None:
            limit = np.full_like(one.arrivals_veh, np.inf)
            limit[3] = limit_veh_s
            one = replace(one, stop_line_limit_veh_s=limit)
        found.append(one)
    return found


def simulated(drawn: list[Scenario], **named: int) -> CrossingSimulation:
    simulation = CrossingSimulation(SETTINGS, drawn, **named)
    for second in range(600):
        simulation.request(np.full(len(drawn), second // 30 % 2, dtype=np.int64))
        simulation.advance(2)
    return simulation


def passed_veh(simulation: CrossingSimulation) -> np.ndarray:
    """Vehicles that passed each stop line: what has reached the exits."""
    traffic = simulation.traffic
    return (traffic.served_veh + traffic.inside_veh[4 * traffic.batch :]).reshape(4, -1)


def test_no_more_than_the_limit_passes_and_no_vehicle_vanishes() -> None:
    free, limited = simulated(scenarios(None)), simulated(scenarios(LIMIT_VEH_S))
    green_s = 300.0
    assert passed_veh(limited)[3, 0] <= LIMIT_VEH_S * green_s * (1.0 + 1e-9)
    assert passed_veh(free)[3, 0] > 1.5 * passed_veh(limited)[3, 0]
    assert np.array_equal(passed_veh(free)[:3], passed_veh(limited)[:3])
    traffic = limited.traffic
    assert traffic.total_served_veh() + traffic.stored_veh() == pytest.approx(traffic.total_arrived_veh(), rel=1e-12)


def test_a_limit_that_is_never_reached_changes_no_bit() -> None:
    states = [simulated(scenarios(limit)).traffic.get_state() for limit in (None, np.inf, 1.0)]
    for name, values in states[0].items():
        assert all(np.array_equal(values, other[name]) for other in states[1:]), name


@pytest.mark.parametrize("widest_block", [1, 2, 32])
def test_scenarios_with_and_without_limits_share_a_batch(widest_block: int) -> None:
    limits = (None, LIMIT_VEH_S, None)
    together = simulated(scenarios(*limits), widest_block=widest_block)
    for index, one in enumerate(scenarios(*limits)):
        alone = simulated([one])
        assert np.array_equal(together.traffic.delay_veh_s()[index], alone.traffic.delay_veh_s()[0])
        assert np.array_equal(passed_veh(together)[:, index], passed_veh(alone)[:, 0])
