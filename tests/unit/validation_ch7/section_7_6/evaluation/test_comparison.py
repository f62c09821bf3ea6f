"""The section's comparison with a trained policy, in episodes of five minutes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny_world import TestBench, bench, tiny_spec

from orchestrator.sb3.loop import TrainingResult, train
from orchestrator.sb3.state.policy_digest import policy_digest
from validation_ch7.section_7_6_rl_performance.controllers.families import CLASSICAL
from validation_ch7.section_7_6_rl_performance.evaluation import baselines
from validation_ch7.section_7_6_rl_performance.evaluation.comparison import LeftComparison, compare_controllers
from validation_ch7.section_7_6_rl_performance.evaluation.partial_results import write_learning_curve
from validation_ch7.section_7_6_rl_performance.evaluation.task import traffic_world
from validation_ch7.traffic.model.demand import Split

CONTROLLERS = ["rl", *CLASSICAL, "constant_ns", "constant_ew", "random"]


def crossing_spec() -> dict[str, Any]:
    spec = tiny_spec(target_steps=240, evaluate_every_steps=120)
    spec["lineage"]["environment"] = {"episode_s": 300.0}
    spec["lineage"]["hyper_parameters"].update(learning_starts=40, selection_scenarios=2)
    return spec


@pytest.fixture
def trained(tmp_path: Path) -> Iterator[tuple[TestBench, TrainingResult]]:
    test_bench = bench(tmp_path, crossing_spec())
    yield test_bench, train(test_bench.context, test_bench.plan, traffic_world())
    test_bench.context.reporter.close()


def read(path: Path) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return plain


def test_all_controllers_are_evaluated_on_the_same_test_scenarios(trained: tuple[TestBench, TrainingResult]) -> None:
    test_bench, result = trained
    before = policy_digest(result.training.model.policy)
    waited = []

    def wait() -> None:
        waited.append(list(read(test_bench.context.metrics_dir / "evaluations_so_far.json")["controllers"]))

    found = compare_controllers(test_bench.context, result.training, wait)
    assert waited == [["rl"]], "the policy first: it is not measured elsewhere"
    assert any("Comparing with the baselines on 4 unseen scenarios" in line for line in test_bench.output)

    assert list(found.results) == CONTROLLERS
    for name, hours in found.results.items():
        assert (hours.controller, hours.split, hours.first_index, hours.n_scenarios) == (name, Split.TEST, 0, 4)
    assert found.best == result.training.record.best
    assert set(found.spent_s) == {"tune", "network", "wait", *CONTROLLERS}
    assert policy_digest(result.training.model.policy) == before
    so_far = read(test_bench.context.metrics_dir / "evaluations_so_far.json")
    assert list(so_far["controllers"]) == CONTROLLERS and so_far["complete"] is False
    assert so_far["stamp"]["nonce"] == "nonce-1"


@pytest.mark.parametrize("done", [0, 1, 3])
def test_a_session_that_must_stop_keeps_its_finished_evaluations(
    done: int, trained: tuple[TestBench, TrainingResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    test_bench, result = trained
    evaluate, calls = baselines.evaluate, []

    def evaluate_and_request_stop(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == done:
            test_bench.stop.request()
        return evaluate(*args, **kwargs)

    monkeypatch.setattr(baselines, "evaluate", evaluate_and_request_stop)
    if done == 0:
        test_bench.stop.request()
    with pytest.raises(LeftComparison):
        compare_controllers(test_bench.context, result.training)
    path = test_bench.context.metrics_dir / "evaluations_so_far.json"
    assert (list(read(path)["controllers"]) if path.exists() else []) == CONTROLLERS[:done]


def test_the_learning_curve_is_written_with_its_stamp(trained: tuple[TestBench, TrainingResult]) -> None:
    test_bench, result = trained
    write_learning_curve(test_bench.context, result.training)
    written = read(test_bench.context.metrics_dir / "learning_curve.json")
    assert [point["steps"] for point in written["curve"]] == [120, 240]
    assert written["curve"][0]["score"] == -written["curve"][0]["measures"]["delay_s_per_veh"]
    assert result.training.parent is not None
    assert written["stamp"]["checkpoint_digest"] == result.training.parent.digest
