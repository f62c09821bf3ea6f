"""The scenario, minutes and approach of the figures are chosen by fixed rules."""

from dataclasses import replace

import numpy as np
from made_results import result, with_value
from made_scene import SETTINGS, scene

from validation_ch7.section_7_6_rl_performance.controllers.trivial import ConstantController
from validation_ch7.section_7_6_rl_performance.figures.scenario_choice import median_place, record_scene


def test_the_shown_scenario_has_the_median_reduction() -> None:
    other = replace(result("fixed_time", 30.0, 5), delay_s_per_veh=np.full(5, 30.0))
    policy = replace(result("rl", 20.0, 5), delay_s_per_veh=np.array([10.0, 25.0, 40.0, 20.0, 12.0]))
    assert median_place(policy, other) == 3
    pair = replace(policy, delay_s_per_veh=policy.delay_s_per_veh[:4]), replace(other, delay_s_per_veh=np.full(4, 30.0))
    assert median_place(*pair) == 3  # the lower of the two middle ones


def test_results_that_cannot_be_compared_give_the_first_scenario() -> None:
    policy, other = result("rl", 20.0), result("fixed_time", 30.0)
    assert median_place(replace(policy, delay_s_per_veh=with_value(policy.delay_s_per_veh, np.nan)), other) == 0
    assert median_place(result("rl", 20.0, 7), other) == 0


def test_both_controllers_run_the_same_scenario() -> None:
    policy, other = (replace(result(name, 20.0, 9), first_index=100) for name in ("rl", "fixed_time"))
    recorded = record_scene((policy, ConstantController(0)), (other, ConstantController(1)), settings=SETTINGS)
    assert recorded.policy.address == recorded.other.address
    assert recorded.policy.address.index == 100 + median_place(policy, other)
    assert np.array_equal(recorded.policy.arrived_veh, recorded.other.arrived_veh)


def test_the_busiest_minutes_and_approach_are_found() -> None:
    shown_scene = scene()
    shown_scene.policy.arrived_veh[100:140, 1] += np.linspace(0.0, 60.0, 40)
    shown_scene.policy.arrived_veh[140:, 1] += 60.0
    span = shown_scene.busiest_span(20.0)
    assert (span.start, span.stop) == (99, 139) or (span.start, span.stop) == (100, 140)
    assert shown_scene.busiest_approach(span) == 1
    assert shown_scene.busiest_approach(slice(0, 50)) == 3
    assert shown_scene.busiest_span(3600.0) == slice(0, 240)
