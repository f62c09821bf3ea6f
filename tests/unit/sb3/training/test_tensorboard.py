"""TensorBoard curves have absolute steps and complete files, and do not change the training."""

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


def curves(test_bench: TestBench) -> dict[str, list[int]]:
    """Tag -> steps, read from the session's folder."""
    session = f"session_{test_bench.context.ticket.session:02d}"
    events = EventAccumulator(str(test_bench.context.metrics_dir.parent / "tensorboard" / session))
    events.Reload()
    return {tag: [event.step for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def run_training(test_bench: TestBench, task: Task | None = None) -> str:
    try:
        return policy_digest(
            training.train(test_bench.context, test_bench.plan, task or tiny_world()).training.model.policy
        )
    finally:
        test_bench.context.reporter.close()


@pytest.mark.parametrize("algorithm", ["DQN", "PPO"])
def test_a_chain_writes_one_run_per_session_with_absolute_steps(algorithm: str, tmp_path: Path) -> None:
    first = bench(tmp_path, spec_of(algorithm, target_steps=960))
    run_training(first, tiny_world(at_steps=640, act=first.stop.request))
    second = bench(tmp_path, spec_of(algorithm, target_steps=960), session=2)
    run_training(second)
    before, after = curves(first), curves(second)
    assert before["evaluation/return_mean"] == [400 if algorithm == "DQN" else 448]
    assert after["evaluation/return_mean"] == [800 if algorithm == "DQN" else 832]
    for tag in ("train/loss", "train/learning_rate"):
        assert max(before[tag]) <= 640 < min(after[tag]) and max(after[tag]) <= 960


def test_tensorboard_does_not_change_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_curves = run_training(bench(tmp_path / "with", spec_of("PPO", target_steps=640)))
    find: Callable[[str], object] = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tensorboard" else find(name))
    assert run_training(bench(tmp_path / "without", spec_of("PPO", target_steps=640))) == with_curves
    assert [*(tmp_path / "with").rglob("events.out.*")] and not [*(tmp_path / "without").rglob("events.out.*")]


def test_the_event_file_is_complete_after_a_failed_training(tmp_path: Path) -> None:
    test_bench = bench(tmp_path, spec_of("DQN", target_steps=960))

    def fail() -> None:
        raise ArithmeticError("diverged")

    with pytest.raises(ArithmeticError, match="diverged"):
        run_training(test_bench, tiny_world(at_steps=640, act=fail))
    (events,) = tmp_path.rglob("events.out.*")
    digest = hashlib.sha256(events.read_bytes()).hexdigest()
    assert curves(test_bench)["evaluation/return_mean"] == [400]
    assert hashlib.sha256(events.read_bytes()).hexdigest() == digest
