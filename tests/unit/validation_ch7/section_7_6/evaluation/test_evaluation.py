"""An evaluation is a pure function of controller and scenarios, and its measures are physically possible."""

import dataclasses
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from validation_ch7.section_7_6_rl_performance.controllers.families import TUNED_FAMILIES
from validation_ch7.section_7_6_rl_performance.controllers.fixed_time import FixedTimeController
from validation_ch7.section_7_6_rl_performance.controllers.interface import Controller
from validation_ch7.section_7_6_rl_performance.controllers.policy import PolicyController
from validation_ch7.section_7_6_rl_performance.controllers.trivial import ConstantController, RandomController
from validation_ch7.section_7_6_rl_performance.evaluation import evaluation
from validation_ch7.section_7_6_rl_performance.evaluation.evaluation import (
    EvaluationResult,
    evaluate,
    evaluate_splits,
    measure_names,
)
from validation_ch7.section_7_6_rl_performance.evaluation.side_by_side import delays_side_by_side
from validation_ch7.section_7_6_rl_performance.evaluation.tuning import tune
from validation_ch7.traffic.env.reward import reward_of
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.env.vec_env import TrafficSignalVecEnv
from validation_ch7.traffic.model.demand import Split

FIXED_TIME = TUNED_FAMILIES[0]
CARD: dict[str, object] = {"episode_s": 900.0}


def longest_queue_first(observations: npt.NDArray[np.float32]) -> npt.NDArray[np.integer]:
    return (observations[:, 2:4].sum(axis=1) > observations[:, 0:2].sum(axis=1)).astype(np.int64)


def controllers() -> list[Controller]:
    return [
        FixedTimeController(24, 24),
        ConstantController(1),
        RandomController(0),
        PolicyController(longest_queue_first, 10.0),
    ]


def run(controller: Controller, n_scenarios: int = 6, first_index: int = 0, **card: object) -> EvaluationResult:
    return evaluate(
        controller,
        environment={**CARD, **card},
        split=Split.TUNING,
        n_scenarios=n_scenarios,
        first_index=first_index,
    )


@pytest.mark.parametrize("controller", controllers(), ids=lambda controller: controller.name)
def test_every_measure_is_finite_and_within_its_physical_limits(controller: Controller) -> None:
    result = run(controller)
    assert result.controller == controller.name and result.n_scenarios == 6
    for name in measure_names():
        values = getattr(result, name)
        assert len(values) == 6 and np.isfinite(values).all(), name
    assert (result.delay_s_per_veh > 0.0).all() and (result.mean_queue_veh > 0.0).all()
    assert (result.mean_speed_m_s > 0.0).all() and (result.mean_speed_m_s < 13.89).all()
    assert (result.throughput > 0.0).all() and (result.throughput <= 1.0).all()
    assert (result.reward_sum < 0.0).all()
    assert (result.n_forced_switches <= result.n_switches).all() and (result.n_switches > 0).all()
    assert (result.action_counts.sum(axis=1) == 900.0 / controller.resolution_s).all()


@pytest.mark.parametrize("controller", controllers(), ids=lambda controller: controller.name)
def test_a_scenarios_measures_do_not_depend_on_the_batch(
    controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = run(controller)
    tail = run(controller, n_scenarios=2, first_index=3)
    monkeypatch.setattr(evaluation, "WIDEST_BATCH", 4)
    in_pieces = run(controller)
    for name in measure_names():
        whole = getattr(together, name)
        assert getattr(in_pieces, name).tobytes() == whole.tobytes(), name
        assert getattr(tail, name).tobytes() == np.ascontiguousarray(whole[3:5]).tobytes(), name


@pytest.mark.parametrize("controller", controllers(), ids=lambda controller: controller.name)
def test_an_evaluation_of_several_splits_equals_one_of_each(controller: Controller) -> None:
    sizes = {Split.TUNING: 5, Split.TEST: 3}
    together = evaluate_splits(controller, environment=CARD, sizes=sizes)
    assert list(together) == list(sizes)
    for split, size in sizes.items():
        alone = evaluate(controller, environment=CARD, split=split, n_scenarios=size)
        for field in dataclasses.fields(EvaluationResult):
            joint, own = getattr(together[split], field.name), getattr(alone, field.name)
            assert np.array_equal(joint, own) and type(joint) is type(own), field.name


def test_the_longest_queue_beats_a_plan_which_beats_random_and_constant_control() -> None:
    fixed, constant, random, queue_led = (run(controller, n_scenarios=20) for controller in controllers())
    means = [float(result.delay_s_per_veh.mean()) for result in (queue_led, fixed, random, constant)]
    assert means == sorted(means)
    assert means[0] < 0.9 * means[1] and means[1] < 0.9 * means[2] and means[2] < 0.5 * means[3]


def test_action_counts_show_the_requests_of_a_policy() -> None:
    constant = run(PolicyController(lambda seen: np.zeros(len(seen), dtype=np.int64), 10.0))
    assert (constant.action_counts[:, 1] == 0).all()
    assert (constant.n_switches > 0).all()  # forced by the maximum green: the number of switches alone does not show it
    queue_led = run(PolicyController(longest_queue_first, 10.0))
    assert (queue_led.action_counts > 0).all()


def test_an_evaluation_gives_the_same_reward_as_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    # The same scenarios in both: those of the first training episode.
    from validation_ch7.traffic.model.demand import ScenarioAddress

    def training_addresses(split: Split, first: int, n: int) -> list[ScenarioAddress]:
        return [ScenarioAddress(split=Split.TRAINING, stream=7, index=index) for index in range(n)]

    monkeypatch.setattr(evaluation, "addresses_of", training_addresses)
    result = run(PolicyController(longest_queue_first, 10.0), n_scenarios=3)
    env = TrafficSignalVecEnv(n_envs=3, seed=7, environment=CARD)
    seen, total = env.reset(), np.zeros(3)
    infos: list[dict[str, object]] = []
    for _ in range(90):
        seen, rewards, _, infos = env.step(longest_queue_first(seen))
        total += rewards
    assert total == pytest.approx(result.reward_sum, rel=1e-6)
    assert [info["delay_s_per_veh"] for info in infos] == result.delay_s_per_veh.tolist()


def test_the_reward_is_at_most_that_of_the_delay_before_the_stop_lines() -> None:
    result = run(FixedTimeController(24, 24), decision_s=900.0, episode_s=900.0, n_scenarios=3)
    arrived_delay = reward_of(result.mean_queue_veh * 900.0, 900.0)
    assert (result.reward_sum <= arrived_delay).all()  # the total delay is at least the delay before the stop lines


@pytest.mark.parametrize("resolution_s", [20.0, 4.0])
def test_a_resolution_that_does_not_divide_the_decision_interval_is_refused(resolution_s: float) -> None:
    with pytest.raises(ValueError, match="divide"):
        run(ConstantController(0, resolution_s))


def test_an_evaluation_without_scenarios_is_refused() -> None:
    with pytest.raises(ValueError, match="n_scenarios"):
        run(ConstantController(0), n_scenarios=0)


def test_a_result_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        # Frozen: the assignment must fail.
        run(ConstantController(0), n_scenarios=1).controller = "rl"  # type: ignore[misc]


def test_tuning_finds_the_best_plan_of_its_grid_on_tuning_scenarios_only(monkeypatch: pytest.MonkeyPatch) -> None:
    splits = []

    def recording(*args: Any, split: Split, **rest: Any) -> Any:
        splits.append(split)
        return delays_side_by_side(*args, split=split, **rest)

    monkeypatch.setattr("validation_ch7.section_7_6_rl_performance.evaluation.tuning.delays_side_by_side", recording)
    tuning = tune(FIXED_TIME, environment=CARD, n_scenarios=6)
    assert splits == [Split.TUNING]
    delays_s = [delay_s for _, delay_s in tuning.table]
    assert [plan for plan, _ in tuning.table] == list(FIXED_TIME.grid)
    assert tuning.delay_s_per_veh == min(delays_s) < 0.9 * max(delays_s)
    evaluated = run(tuning.controller(EnvironmentSettings.from_mapping(CARD)))
    assert float(evaluated.delay_s_per_veh.mean()) == min(delays_s)
    summary = tuning.in_short()
    assert summary["parameters"] == tuning.chosen and len(summary["tried"]) == len(FIXED_TIME.grid)


def test_tuning_without_plans_is_refused() -> None:
    with pytest.raises(ValueError, match="fixed_time has no candidates"):
        tune(replace(FIXED_TIME, grid=()), environment=CARD, n_scenarios=2)


def test_a_worse_grid_gives_a_worse_plan() -> None:
    good, bad = (
        tune(replace(FIXED_TIME, grid=({"green_ns_s": ns, "green_ew_s": ew},)), environment=CARD, n_scenarios=4)
        for ns, ew in ((24.0, 24.0), (60.0, 8.0))
    )
    assert bad.delay_s_per_veh > 1.5 * good.delay_s_per_veh


def test_the_worst_approach_is_the_largest_delay_per_arrived_vehicle_of_the_four() -> None:
    fair, unfair = (
        run(controller, n_scenarios=4) for controller in (FixedTimeController(24, 24), ConstantController(0))
    )
    assert (fair.worst_approach_s_per_veh < 0.4 * unfair.worst_approach_s_per_veh).all()
    for hours in (fair, unfair):
        # The largest of four is at least their mean weighted by vehicles, which follows from the mean queue.
        before_the_lines_s = hours.mean_queue_veh * 900.0 / hours.arrived_veh
        assert (hours.worst_approach_s_per_veh >= before_the_lines_s - 1e-9).all()
    assert (unfair.worst_approach_s_per_veh > 1.25 * unfair.mean_queue_veh * 900.0 / unfair.arrived_veh).all()
