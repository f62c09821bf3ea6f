"""What the check of the environments finds decides the grade: in sections, with `run.sb3` and with `run.keep`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv
from test_script import PROXIMAL, cards, copied, learning, session
from tiny_world import bench, spec_of

import orchestrator
from orchestrator.kernel.outcome import SessionRefused
from orchestrator.kernel.training.kept_state.rules import registry
from orchestrator.sb3.loop import train
from orchestrator.sb3.training.training_state import Evaluation, Task

FAULT = "Ticking: in step 1 after a restore the observation differs: at index [0]"


class Counter:
    """Counts in a class attribute, which no capture sees."""

    total = 0

    def turn(self) -> int:
        Counter.total += 1
        return Counter.total % 1000


class Ticking(gymnasium.Env[Any, Any]):
    """Each observation is a new number of the hidden counter."""

    observation_space = gymnasium.spaces.Box(0, 1, (1,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, shown: bool = True) -> None:
        self.counter, self.shown = Counter(), shown

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return self._seen(), {}

    def _seen(self) -> Any:
        return np.array([self.counter.turn() / 1000 if self.shown else 0.5], np.float32)

    def step(self, action: Any) -> Any:
        return self._seen(), 0.0, False, False, {}


gymnasium.register("Ticking-v0", Ticking, max_episode_steps=20, disable_env_checker=True)


def _env(shown: bool) -> gymnasium.Env[Any, Any]:
    return Monitor(gymnasium.make("Ticking-v0", shown=shown))


def _task(shown: bool, **rules: Any) -> Task:
    return Task(
        build_env=lambda lineage: DummyVecEnv([lambda: _env(shown)] * 4),
        evaluate=lambda model, lineage: Evaluation(score=0.0, measures={"return_mean": 0.0}),
        **rules,
    )


def _section(folder: Path, task: Task, **changes: Any) -> tuple[dict[str, Any], list[str]]:
    """Identity of the newest card of a section's session, and its log."""
    one = bench(folder, spec_of("PPO", **{"target_steps": 128, **changes}))
    try:
        train(one.context, one.plan, task)
    finally:
        one.context.reporter.close()
    newest = max(folder.rglob("*_steps.json"), key=lambda path: int(path.stem.split("_")[-2]))
    return json.loads(newest.read_text("utf-8"))["identity"], one.output


def test_section_with_an_exact_environment(tmp_path: Path) -> None:
    identity, _ = _section(tmp_path, _task(shown=False))
    assert (identity["lost_state"], identity["environment_check"]) == ([], ["Ticking: exact"])


def test_section_with_another_environment_is_statistical_or_refused(tmp_path: Path) -> None:
    identity, output = _section(tmp_path / "1", _task(shown=True), resume_floor="statistical")
    assert identity["lost_state"] == [FAULT]
    assert identity["environment_check"] == [f"Ticking: differs: {FAULT.partition(': ')[2]}"]
    with pytest.raises(SessionRefused, match="in step 1 after a restore"):
        _section(tmp_path / "2", _task(shown=True), resume_floor="exact")
    _, output = _section(tmp_path / "1", _task(shown=True), target_steps=256, resume_floor="statistical")
    assert any(FAULT in line and "Resume is statistical" in line for line in output)


class CounterRule:
    def claims(self, value: Any) -> bool:
        return isinstance(value, Counter)

    def save(self, value: Any) -> Any:
        return {"total": Counter.total}

    def load(self, value: Any, state: Any) -> None:
        Counter.total = state["total"]


@pytest.fixture
def rule() -> Iterator[CounterRule]:
    one = CounterRule()
    yield one
    registry.remove_rule(one)


def test_rule_of_a_section_is_used(tmp_path: Path, rule: CounterRule) -> None:
    identity, _ = _section(tmp_path, _task(shown=False, environment_rules=(rule,)))
    assert rule in registry.added_rules() and identity["lost_state"] == []


def test_model_of_a_script_is_graded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def build(shown: bool) -> Callable[[], PPO]:
        return lambda: PPO("MlpPolicy", _env(shown), **copied(PROXIMAL))

    assert session(tmp_path / "exact", None, learning(build(False)), 64) == 0
    assert cards(tmp_path / "exact")["identity"]["environment_check"] == ["Ticking: exact"]
    learn = learning(build(True))
    assert session(tmp_path / "other", 70, learn, 128) == 75
    assert f"Not kept, so a resume is not exact: {FAULT}" in capsys.readouterr().err
    assert cards(tmp_path / "other")["identity"]["lost_state"] == [FAULT]
    assert session(tmp_path / "other", None, learn, 128) == 0
    assert "Resume is statistical: the checkpoint could not keep everything: Ticking" in capsys.readouterr().err
    assert "statistical" in {ancestor["continued"] for ancestor in cards(tmp_path / "other")["ancestry"]}


def _loop(folder: Path, shown: bool, *, target: int = 9) -> None:
    with orchestrator.session(target=target, seed=3, folder=folder) as run:
        env = gymnasium.make("Ticking-v0", shown=shown)
        run.keep(env=env)
        env.reset(seed=3)
        for step in run.steps():
            env.step(step % 2)


def test_kept_environment_is_graded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _loop(tmp_path / "exact", False)
    assert cards(tmp_path / "exact")["identity"]["environment_check"] == ["Ticking: exact"]
    _loop(tmp_path / "other", True)
    assert f"Not kept, so a resume is not exact: {FAULT}" in capsys.readouterr().err
    card = cards(tmp_path / "other")
    assert card["identity"]["lost_state"] == [FAULT]
    _loop(tmp_path / "other", True, target=12)
    assert f"Resume is statistical: the checkpoint could not keep everything: {FAULT}" in capsys.readouterr().err


def test_environment_that_cannot_be_copied_is_named_and_stays_exact(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert session(tmp_path, None, learning(lambda: PPO("MlpPolicy", Ticking(False), **copied(PROXIMAL))), 64) == 0
    reason = "Ticking was not built by gymnasium.make; name a function that builds it: run.environment_factory"
    assert f"[CHECKPOINT] Not checked by steps: Ticking: {reason}" in capsys.readouterr().err
    identity = cards(tmp_path)["identity"]
    assert (identity["lost_state"], identity["environment_check"]) == ([], [f"Ticking: not checked: {reason}"])


def test_factory_and_rule_of_a_script_end_with_it(tmp_path: Path) -> None:
    rules = registry.added_rules()
    with orchestrator.session(target=64, seed=3, folder=tmp_path) as run:
        run.environment_rule(CounterRule())
        run.environment_factory(lambda: Ticking(False))
        model = run.sb3(lambda: PPO("MlpPolicy", Ticking(False), **copied(PROXIMAL)))
        with pytest.raises(RuntimeError, match=r"call run\.environment_rule before run\.keep and run\.sb3"):
            run.environment_rule(CounterRule())
        model.learn(run.remaining, callback=run.callback, reset_num_timesteps=False)
    assert cards(tmp_path)["identity"]["environment_check"] == ["Ticking: exact"]
    assert registry.added_rules() == rules


class _Entry:
    name, value = "tick", "package:Rule"

    def __init__(self, load: Callable[[], Any]) -> None:
        self.load = load


def test_rules_of_installed_packages_are_added_once(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [_Entry(lambda: CounterRule)]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: entries)
    registry.add_installed_rules.cache_clear()
    try:
        registry.add_installed_rules()
        registry.add_installed_rules()
        (added,) = [one for one in registry.added_rules() if isinstance(one, CounterRule)]
        registry.remove_rule(added)
        entries[:] = [_Entry(lambda: object)]
        registry.add_installed_rules.cache_clear()
        with pytest.raises(SessionRefused, match=r"the environment rule tick \(package:Rule\) cannot be loaded"):
            registry.add_installed_rules()
    finally:
        registry.add_installed_rules.cache_clear()
