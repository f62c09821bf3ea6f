"""TensorBoard curves have absolute steps and complete files, and do not change the training."""

import contextlib
import hashlib
import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_world import TestBench, bench, spec_of, tiny_world

from orchestrator.sb3 import loop as training
from orchestrator.sb3.state.policy_digest import policy_digest
from orchestrator.sb3.training.training_state import Task


def curves(test_bench: TestBench) -> dict[str, list[tuple[int, float]]]:
    """Tag -> step and value of each point in the folder of the lineage."""
    (folder,) = (test_bench.context.metrics_dir.parent / "tensorboard").iterdir()
    assert folder.name == test_bench.context.ticket.lineage_id[:8]
    events = EventAccumulator(str(folder))
    events.Reload()
    tags = [tag for tag in events.Tags()["scalars"] if tag != "time/fps"]
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in tags}


def run_training(test_bench: TestBench, task: Task | None = None) -> str:
    try:
        return policy_digest(
            training.train(test_bench.context, test_bench.plan, task or tiny_world()).training.model.policy
        )
    finally:
        test_bench.context.reporter.close()


def fail() -> None:
    raise ArithmeticError("diverged")


@pytest.mark.parametrize("algorithm", ["DQN", "PPO"])
def test_a_cut_training_has_the_curves_of_an_uncut_one(algorithm: str, tmp_path: Path) -> None:
    straight = bench(tmp_path / "straight", spec_of(algorithm, target_steps=1280))
    run_training(straight)
    for session, (steps, stops) in enumerate(((480, True), (420, False), (200, True), (2000, True)), start=1):
        one = bench(tmp_path / "cut", spec_of(algorithm, target_steps=1280), session=session)
        with contextlib.nullcontext() if stops else pytest.raises(ArithmeticError):
            run_training(one, tiny_world(at_steps=steps, act=one.stop.request if stops else fail))
    found = curves(one)
    assert found == curves(straight) and len(found["evaluation/return_mean"]) == 3
    steps_of = [step for step, _ in found["train/learning_rate"]]
    assert len(steps_of) > 1 and steps_of == sorted(set(steps_of))
    assert len(list(tmp_path.glob("cut/**/events.out.*"))) == 4 - 1


def test_tensorboard_does_not_change_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_curves = run_training(bench(tmp_path / "with", spec_of("PPO", target_steps=640)))
    find: Callable[[str], object] = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tensorboard" else find(name))
    assert run_training(bench(tmp_path / "without", spec_of("PPO", target_steps=640))) == with_curves
    assert [*(tmp_path / "with").rglob("events.out.*")] and not [*(tmp_path / "without").rglob("events.out.*")]


def test_the_event_file_is_complete_after_a_failed_training(tmp_path: Path) -> None:
    test_bench = bench(tmp_path, spec_of("DQN", target_steps=960))

    with pytest.raises(ArithmeticError, match="diverged"):
        run_training(test_bench, tiny_world(at_steps=640, act=fail))
    (events,) = tmp_path.rglob("events.out.*")
    digest = hashlib.sha256(events.read_bytes()).hexdigest()
    assert [step for step, _ in curves(test_bench)["evaluation/return_mean"]] == [400]
    assert hashlib.sha256(events.read_bytes()).hexdigest() == digest
