"""The classical controllers: their rules against values by hand, and their ranking on the same scenarios."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest

from validation_ch7.section_7_6_rl_performance.controllers.actuated import ActuatedController
from validation_ch7.section_7_6_rl_performance.controllers.families import CLASSICAL, TUNED_FAMILIES, Family
from validation_ch7.section_7_6_rl_performance.controllers.interface import Controller
from validation_ch7.section_7_6_rl_performance.controllers.longest_queue import LongestQueueController
from validation_ch7.section_7_6_rl_performance.controllers.max_pressure import MaxPressureController
from validation_ch7.section_7_6_rl_performance.controllers.webster import WebsterController
from validation_ch7.section_7_6_rl_performance.evaluation.evaluation import evaluate
from validation_ch7.section_7_6_rl_performance.evaluation.side_by_side import delays_side_by_side
from validation_ch7.section_7_6_rl_performance.evaluation.tuning import tune
from validation_ch7.traffic.env import detectors
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.demand import Scenario, ScenarioAddress, Split, draw_scenarios

SETTINGS = EnvironmentSettings(episode_s=600.0)
ADDRESS = ScenarioAddress(split=Split.TUNING, index=0)


def crossing(arrivals_veh: list[float]) -> CrossingSimulation:
    """One crossing with these vehicles per 10 s on N, S, E, W, for 600 s; all drivers have w = vf."""
    by_bin = np.repeat(np.array(arrivals_veh)[:, None], 60, axis=1)
    w_in = np.full((4, 60), SETTINGS.traffic.vf_m_s)
    return CrossingSimulation(SETTINGS, [Scenario(address=ADDRESS, arrivals_veh=by_bin, w_in_m_s=w_in)])


def seconds(controller: Controller, batch: CrossingSimulation) -> Iterator[tuple[int, float]]:
    """Phase and elapsed green in s, for each second, under a controller."""
    controller.begin([ADDRESS])
    for _ in range(600):
        batch.request(controller.decide(batch))
        yield int(batch.signal.phase[0]), float(batch.signal.green_steps[0] * SETTINGS.traffic.dt_s)
        batch.advance(2)


def phases(controller: Controller, arrivals_veh: list[float]) -> npt.NDArray[np.int64]:
    return np.array([phase for phase, _ in seconds(controller, crossing(arrivals_veh))])


def longest_green_s(controller: Controller, arrivals_veh: list[float]) -> float:
    return max(green_s for _, green_s in seconds(controller, crossing(arrivals_veh)))


def test_webster_plan_equals_the_values_by_hand() -> None:
    """s = 0.5209 veh/s, L = 8 s: y = 0.4 and 0.2, C = 17 / 0.4 = 42.5 s, greens 2/3 and 1/3 of 34.5 s."""
    saturation = SETTINGS.traffic.capacity_veh_s
    assert saturation == pytest.approx(0.520875)
    flows = np.array([[0.4], [0.1], [0.05], [0.2]]) * saturation
    plan_s = WebsterController(SETTINGS, saturation_share=1.0).plan_s(flows)
    assert plan_s[:, 0].tolist() == [23.0, 12.0]  # 23.0 and 11.5, rounded half to even


def test_webster_converts_effective_greens_into_displayed_greens() -> None:
    """For the same total lost time, start-up loss lengthens the displayed green and used yellow shortens it."""
    flows = np.array([[0.2], [0.1], [0.1], [0.05]])
    plans = [
        WebsterController(
            EnvironmentSettings.from_mapping(
                {"all_red_s": all_red_s, "yellow_used_s": used_s, "start_up_lost_s": late_s}
            ),
            saturation_share=1.0,
        ).plan_s(flows)
        for all_red_s, used_s, late_s in ((1.0, 2.0, 2.0), (1.0, 0.0, 0.0), (0.0, 2.0, 3.0), (2.0, 3.0, 2.0))
    ]
    assert (plans[0] == plans[1]).all()
    assert (plans[2] == plans[0] + 1.0).all() and (plans[3] == plans[0] - 1.0).all()


def test_webster_plans_stay_within_the_limits_of_the_signal() -> None:
    controller = WebsterController(SETTINGS, saturation_share=0.8)
    no_demand, oversaturated = controller.plan_s(np.array([[0.0, 2.0]] * 4)).T
    assert no_demand.tolist() == [SETTINGS.min_green_s] * 2
    assert oversaturated.tolist() == [86.0, 86.0]  # a cycle of 180 s
    one_sided = controller.plan_s(np.array([[0.9], [0.0], [0.0], [0.0]]))
    assert one_sided[:, 0].tolist() == [SETTINGS.max_green_s, SETTINGS.min_green_s]


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1])
def test_a_saturation_share_outside_zero_to_one_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="saturation_share"):
        WebsterController(SETTINGS, saturation_share=share)


def test_actuated_keeps_green_while_the_other_axis_is_empty() -> None:
    controller = ActuatedController(gap_s=2.5, max_green_s=40.0)
    for busy, arrivals_veh in enumerate(([2.0, 2.0, 0.0, 0.0], [0.0, 0.0, 2.0, 2.0])):
        batch = crossing(arrivals_veh)
        ended_greens_s = [green_s for phase, green_s in _ends(controller, batch) if phase == busy]
        assert (
            len(ended_greens_s) >= 4 and min(ended_greens_s[busy:]) == SETTINGS.max_green_s
        )  # only the changes forced by the maximum green


def test_actuated_ends_green_at_a_gap_or_at_its_maximum_green() -> None:
    controller = ActuatedController(gap_s=2.5, max_green_s=40.0)
    assert longest_green_s(controller, [1.0, 1.0, 1.0, 1.0]) < 30.0
    assert longest_green_s(controller, [5.0, 5.0, 1.0, 1.0]) == 39.0  # the green ends in the 40th second


def test_a_longer_gap_time_holds_the_green_longer() -> None:
    short, long = (ActuatedController(gap_s=gap_s, max_green_s=60.0) for gap_s in (1.5, 8.0))
    assert (np.diff(phases(short, [2.0] * 4)) != 0).sum() > (np.diff(phases(long, [2.0] * 4)) != 0).sum() > 0


@pytest.mark.parametrize("kind", [MaxPressureController, LongestQueueController])
def test_the_axis_with_more_pressure_gets_green_for_at_least_its_minimum(kind: type[MaxPressureController]) -> None:
    eager, patient = (kind(min_green_s=12.0, hysteresis_veh=veh) for veh in (1.0, 25.0))
    batch = crossing([3.0, 3.0, 1.0, 1.0])
    greens = list(seconds(eager, batch))
    ended = [was for (phase, was), (after, _) in pairwise(greens) if after != phase]
    assert ended and min(ended) >= 11.0  # the green ends in the 12th second
    assert np.mean([phase == 0 for phase, _ in greens]) > 0.6
    assert (np.diff(phases(patient, [3.0, 3.0, 1.0, 1.0])) != 0).sum() < len(ended)
    with pytest.raises(ValueError, match="negative"):
        kind(min_green_s=-1.0, hysteresis_veh=0.0)


def test_pressure_counts_moving_vehicles_and_the_queue_only_standing_ones() -> None:
    batch = crossing([3.0, 0.0, 2.0, 0.0])
    batch.advance(300)
    traffic, dx_m = batch.traffic, SETTINGS.traffic.dx_m
    inside = traffic.rho.sum(axis=1) * dx_m
    assert detectors.upstream_veh(batch)[0] == pytest.approx(inside[:4] + traffic.queue_veh, abs=1e-9)
    assert detectors.exit_veh(batch)[0] == pytest.approx(inside[4:], abs=1e-9)
    assert (detectors.standing_veh(batch) < detectors.upstream_veh(batch))[0, [0, 2]].all()
    near = detectors.near_veh(batch, 30.0)[0]
    assert near == pytest.approx(traffic.rho[:4, -3:].sum(axis=1) * dx_m, abs=1e-9)
    assert detectors.oncoming_veh_s(batch, 30.0)[0] == pytest.approx(near * SETTINGS.traffic.vf_m_s / 30.0)


SEARCHED = [family for family in TUNED_FAMILIES if family.base is None]


@pytest.mark.parametrize("family", SEARCHED, ids=lambda family: family.name)
def test_a_scenario_has_the_same_delay_in_every_batch_and_beside_other_candidates(family: Family) -> None:
    environment = {"episode_s": 600.0}

    def delays(first: int, n: int) -> list[float]:
        controller = family.build(SETTINGS, family.grid[0])
        result = evaluate(controller, environment=environment, split=Split.TUNING, n_scenarios=n, first_index=first)
        assert result.controller == family.name
        return result.delay_s_per_veh.tolist()

    assert delays(0, 3) == delays(0, 1) + delays(1, 2)
    beside = delays_side_by_side(
        family.build, family.grid[:7], environment=environment, split=Split.TUNING, n_scenarios=3
    )
    assert beside.shape == (7, 3) and beside[0].tolist() == delays(0, 3)


def test_searched_families_have_equally_many_candidates_and_rollout_has_that_of_actuated() -> None:
    assert {len(family.grid) for family in SEARCHED} == {25}
    assert [(family.name, family.base) for family in TUNED_FAMILIES if family.base] == [("rollout", "actuated")]
    assert CLASSICAL == ("fixed_time", "webster", "actuated", "max_pressure", "longest_queue", "sotl", "rollout")


def test_controllers_rank_on_test_scenarios_as_in_the_literature() -> None:
    """Rollout beats its base, which beats every plan, including the one that knows the hour's demand in advance."""
    settings = EnvironmentSettings()
    chosen: dict[str, Mapping[str, float]] = {}

    def delay_s(family: Family) -> float:
        grid = family.grid[1:18:4] if family.base is None else (chosen[family.base],)
        tuned = tune(replace(family, grid=grid), environment={}, n_scenarios=8)
        chosen[family.name] = tuned.chosen
        result = evaluate(tuned.controller(settings), environment={}, split=Split.TEST, n_scenarios=40)
        return float(result.delay_s_per_veh.mean())

    delays_s = {family.name: delay_s(family) for family in TUNED_FAMILIES}
    assert sorted(delays_s, key=lambda name: delays_s[name])[:2] == ["rollout", "actuated"]
    assert delays_s["rollout"] < 0.98 * delays_s["actuated"]
    assert delays_s["actuated"] < 0.75 * delays_s["fixed_time"]
    assert max(delays_s[name] for name in CLASSICAL if name != "fixed_time") < delays_s["fixed_time"]


def test_webster_uses_the_same_demand_as_the_evaluation() -> None:
    """Webster's plan must be based on exactly the evaluated scenarios."""
    controller = WebsterController(SETTINGS, saturation_share=0.8)
    controller.begin([ADDRESS])
    (scenario,) = draw_scenarios([ADDRESS], episode_s=600.0, vf_m_s=SETTINGS.traffic.vf_m_s)
    flows = scenario.arrivals_veh.sum(axis=1, keepdims=True) / 600.0
    expected_s = controller.plan_s(flows)
    batch = CrossingSimulation(SETTINGS, [scenario])
    first_green_s = next(was for phase, was in _ends(controller, batch) if phase == 0)
    assert first_green_s == pytest.approx(float(expected_s[0, 0]), abs=1.0)


def _ends(controller: Controller, batch: CrossingSimulation) -> Iterator[tuple[int, float]]:
    states = list(seconds(controller, batch))
    for (phase, green_s), (after, _) in pairwise(states):
        if after != phase:
            yield phase, green_s + 1.0
