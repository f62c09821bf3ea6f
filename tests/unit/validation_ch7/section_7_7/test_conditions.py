"""Every family: severity 0 is the nominal condition exactly, and each severity does what its text promises."""

from __future__ import annotations

import numpy as np
import pytest
from made_study import environment, own_keys

from validation_ch7.section_7_6_rl_performance.controllers.actuated import ActuatedController
from validation_ch7.section_7_6_rl_performance.controllers.longest_queue import LongestQueueController
from validation_ch7.section_7_6_rl_performance.controllers.max_pressure import MaxPressureController
from validation_ch7.section_7_6_rl_performance.evaluation.evaluation import evaluate
from validation_ch7.section_7_7_robustness.conditions import blocked_lane, demand, detectors
from validation_ch7.section_7_7_robustness.conditions.all_conditions import FAMILIES, conditions_of
from validation_ch7.section_7_7_robustness.conditions.family import Condition
from validation_ch7.section_7_7_robustness.evaluation.study import evaluated
from validation_ch7.section_7_7_robustness.schema import MOST_SEVERE
from validation_ch7.traffic.env.scenarios import nominal_scenario
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.model.demand import DemandRanges, ScenarioAddress, Split

SHORT = environment(episode_s=600.0)
SETTINGS = EnvironmentSettings.from_mapping(environment())
ADDRESSES = [ScenarioAddress(split=Split.TEST, index=index) for index in range(20)]
ACTUATED = ActuatedController(gap_s=2.0, max_green_s=60.0)


def test_the_families_of_the_schema_are_those_that_exist() -> None:
    assert list(FAMILIES) == list(MOST_SEVERE)
    for severities in own_keys().study.families.values():
        assert list(severities) == list(FAMILIES), "a family is left out"


def test_the_nominal_condition_comes_first_and_every_severity_follows() -> None:
    severities = own_keys().study.families["full"]
    found = conditions_of(severities)
    assert found[0] == Condition() and str(found[0]) == "nominal"
    assert [(one.name, one.severity) for one in found[1:]] == [
        (name, severity) for name, values in severities.items() for severity in values
    ]


@pytest.mark.parametrize("name", FAMILIES)
def test_severity_0_is_the_nominal_condition_bit_for_bit(name: str) -> None:
    condition = Condition(family=FAMILIES[name], severity=0.0)
    nominal = evaluated(ACTUATED, Condition(), SHORT, 2).to_array()
    assert np.array_equal(evaluated(ACTUATED, condition, SHORT, 2).to_array(), nominal)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_computed_at_severity_0_changes_nothing_either(name: str) -> None:
    """Not only because severity 0 is left out: the formulas themselves have no jump there."""
    family = FAMILIES[name]
    if family.draw is not None:
        nominal, drawn = nominal_scenario(ADDRESSES[0], SETTINGS), family.draw(0.0)(ADDRESSES[0], SETTINGS)
        assert np.array_equal(drawn.arrivals_veh, nominal.arrivals_veh)
        assert np.array_equal(drawn.w_in_m_s, nominal.w_in_m_s)
        limit = drawn.stop_line_limit_veh_s
        assert limit is None or limit.min() >= SETTINGS.traffic.capacity_veh_s
    if family.faults is not None:
        faults = family.faults(0.0)(ADDRESSES, SETTINGS)
        assert (faults.factor == 1.0).all() and not faults.stuck.any()


@pytest.mark.parametrize("name", FAMILIES)
def test_a_severity_changes_the_hours_and_does_not_depend_on_the_batch(name: str) -> None:
    condition = Condition(family=FAMILIES[name], severity=0.6)
    found = evaluated(ACTUATED, condition, SHORT, 3).to_array()
    assert not np.array_equal(found, evaluated(ACTUATED, Condition(), SHORT, 3).to_array())
    for index in range(3):
        alone = evaluated(ACTUATED, condition, SHORT, 1, first_index=index).to_array()
        assert np.array_equal(alone[:, 0], found[:, index])


def test_all_controllers_have_the_same_arrivals() -> None:
    others = (LongestQueueController(min_green_s=14.0, hysteresis_veh=2.0), ACTUATED)
    for name in FAMILIES:
        condition = Condition(family=FAMILIES[name], severity=0.5)
        arrived = [evaluated(one, condition, SHORT, 2).arrived_veh for one in others]
        assert np.array_equal(*arrived), name


def test_heavier_demand_scales_every_flow() -> None:
    usual, heavy = DemandRanges(), demand.heavier(0.4)
    assert heavy.base_veh_h == pytest.approx(np.multiply(usual.base_veh_h, 1.4))
    assert heavy.peak_veh_h == pytest.approx(np.multiply(usual.peak_veh_h, 1.4))
    arrived = [_mean_arrivals(demand.drawn_from(ranges)) for ranges in (usual, heavy)]
    assert arrived[1].sum() / arrived[0].sum() == pytest.approx(1.4, abs=0.03)


def test_uneven_demand_keeps_the_mean_and_widens_the_spread() -> None:
    arrived = [_mean_arrivals(demand.drawn_from(ranges)) for ranges in (DemandRanges(), demand.uneven(0.6))]
    assert arrived[1].mean() / arrived[0].mean() == pytest.approx(1.0, abs=0.08)
    unevenness = [np.abs(np.diff(one[:, :2], axis=1)).mean() for one in arrived]
    assert unevenness[1] > 1.8 * unevenness[0]


def test_slower_drivers_have_a_lower_attribute() -> None:
    scenario = demand.drawn_from(demand.slower_drivers(0.4))(ADDRESSES[0], SETTINGS)
    shares = scenario.w_in_m_s / SETTINGS.traffic.vf_m_s
    assert 0.4 <= shares.min() < 0.45 and 0.95 < shares.max() <= 1.0


@pytest.mark.parametrize("severity", [0.1, 0.4, 0.8])
def test_noise_is_unbiased_and_has_its_standard_deviation(severity: float) -> None:
    factor = detectors.noisy(severity)(ADDRESSES, SETTINGS).factor
    error = severity / np.sqrt(factor.size)
    assert factor.min() > 0.0
    assert factor.mean() == pytest.approx(1.0, abs=5.0 * error)
    assert factor.std() == pytest.approx(severity, rel=0.05)
    neighbours = np.corrcoef(factor[:, :-1].ravel(), factor[:, 1:].ravel())[0, 1]
    assert abs(neighbours) < 0.01, "each second has its own noise"


def test_noise_has_the_same_random_numbers_at_every_severity() -> None:
    one, other = (np.log(detectors.noisy(severity)(ADDRESSES[:2], SETTINGS).factor) for severity in (0.1, 0.8))
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] == pytest.approx(1.0)


@pytest.mark.parametrize("kind", [detectors.dead, detectors.stuck])
def test_a_detector_fails_once_for_its_share_of_the_hour_and_exits_never(kind: object) -> None:
    faults = kind(0.2)(ADDRESSES, SETTINGS)  # type: ignore[operator]  # one of two functions
    failed = (faults.factor == 0.0) if kind is detectors.dead else faults.stuck
    approaches, exits = np.split(failed.reshape(8, len(ADDRESSES), -1), 2)
    assert not exits.any()
    assert np.abs(approaches.sum(axis=-1) - 720).max() <= 1
    begins = np.diff(approaches.astype(int), axis=-1, prepend=0) == 1
    assert (begins.sum(axis=-1) == 1).all(), "one outage"
    assert len(np.unique(begins.argmax(axis=-1))) > 60, "drawn for each approach and hour"


def test_a_dead_detector_for_the_whole_hour_hides_every_vehicle() -> None:
    """Actuated control then never sees a call, and only the signal's own maximum green changes the phase."""
    condition = Condition(family=FAMILIES["detector_dead"], severity=1.0)
    found = evaluated(ACTUATED, condition, environment(), 2)
    assert np.array_equal(found.n_switches, found.n_forced_switches) and (found.n_switches >= 28).all()


def test_a_blocked_lane_limits_one_approach_for_a_third_of_the_hour() -> None:
    limits = np.stack([blocked_lane.blocked(0.75)(one, SETTINGS).stop_line_limit_veh_s for one in ADDRESSES])
    limited = np.isfinite(limits)
    assert (limited.sum(axis=(1, 2)) == 120).all() and (limited.any(axis=2).sum(axis=1) == 1).all()
    assert np.unique(limits[limited]) == pytest.approx([0.25 * SETTINGS.traffic.capacity_veh_s])
    assert len({int(one.any(axis=1).argmax()) for one in limited}) == 4, "each approach is hit"


def test_a_closed_lane_costs_more_than_a_narrow_one() -> None:
    family, controller = FAMILIES["lane_blocked"], MaxPressureController(min_green_s=14.0, hysteresis_veh=5.0)
    delays = [
        evaluated(controller, Condition(family=family, severity=severity), environment(), 6).delay_s_per_veh.mean()
        for severity in (0.25, 0.75, 1.0)
    ]
    assert sorted(delays) == delays and delays[2] > 1.5 * delays[0]


def test_the_nominal_condition_is_the_evaluation_of_section_7_6() -> None:
    ours = evaluated(ACTUATED, Condition(), SHORT, 3)
    theirs = evaluate(ACTUATED, environment=SHORT, split=Split.TEST, n_scenarios=3)
    assert np.array_equal(ours.delay_s_per_veh, theirs.delay_s_per_veh)


def _mean_arrivals(draw: object) -> np.ndarray:
    """Arrivals of each approach in each of some hours, shape (hours, 4)."""
    addresses = [ScenarioAddress(split=Split.TEST, index=index) for index in range(100)]
    scenarios = [draw(address, SETTINGS) for address in addresses]  # type: ignore[operator]  # of type `Draw`
    return np.stack([one.arrivals_veh.sum(axis=1) for one in scenarios])
