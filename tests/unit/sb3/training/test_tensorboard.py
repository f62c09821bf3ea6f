"""Curves are written by absolute step, whole at every end, and the training never notices."""

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


def curves(outside: TestBench) -> dict[str, list[int]]:
    """Tag -> steps, from the folder of the session."""
    session = f"session_{outside.context.ticket.session:02d}"
    events = EventAccumulator(str(outside.context.metrics_dir.parent / "tensorboard" / session))
    events.Reload()
    return {tag: [event.step for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def go(outside: TestBench, task: Task | None = None) -> str:
    try:
        return policy_digest(training.train(outside.context, outside.plan, task or tiny_world()).training.model.policy)
    finally:
        outside.context.reporter.close()


@pytest.mark.parametrize("algorithm", ["DQN", "PPO"])
def test_a_chain_leaves_one_run_for_each_session_by_absolute_step(algorithm: str, tmp_path: Path) -> None:
    first = bench(tmp_path, spec_of(algorithm, target_steps=960))
    go(first, tiny_world(at_steps=640, act=first.stop.request))
    second = bench(tmp_path, spec_of(algorithm, target_steps=960), session=2)
    go(second)
    before, after = curves(first), curves(second)
    assert before["evaluation/return_mean"] == [400 if algorithm == "DQN" else 448]
    assert after["evaluation/return_mean"] == [800 if algorithm == "DQN" else 832]
    for tag in ("train/loss", "train/learning_rate"):
        assert max(before[tag]) <= 640 < min(after[tag]) and max(after[tag]) <= 960


def test_training_is_the_same_without_tensorboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_curves = go(bench(tmp_path / "with", spec_of("PPO", target_steps=640)))
    find: Callable[[str], object] = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tensorboard" else find(name))
    assert go(bench(tmp_path / "without", spec_of("PPO", target_steps=640))) == with_curves
    assert [*(tmp_path / "with").rglob("events.out.*")] and not [*(tmp_path / "without").rglob("events.out.*")]


def test_the_files_are_whole_when_a_training_fails(tmp_path: Path) -> None:
    outside = bench(tmp_path, spec_of("DQN", target_steps=960))

    def fail() -> None:
        raise ArithmeticError("diverged")

    with pytest.raises(ArithmeticError, match="diverged"):
        go(outside, tiny_world(at_steps=640, act=fail))
    (events,) = tmp_path.rglob("events.out.*")
    digest = hashlib.sha256(events.read_bytes()).hexdigest()
    assert curves(outside)["evaluation/return_mean"] == [400]
    assert hashlib.sha256(events.read_bytes()).hexdigest() == digest
