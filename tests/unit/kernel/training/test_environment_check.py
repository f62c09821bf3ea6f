"""The check at the start: copies take the same steps, a difference is named, and the training is not disturbed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import wrappers
from stable_baselines3.common.atari_wrappers import AtariWrapper
from stable_baselines3.common.monitor import Monitor

from orchestrator.kernel.training.kept_state.check import copies
from orchestrator.kernel.training.kept_state.check.finding import Finding
from orchestrator.kernel.training.kept_state.check.step_and_compare import check_environment
from orchestrator.kernel.training.kept_state.random_state import capture_random
from orchestrator.kernel.training.kept_state.rules import mujoco, registry
from orchestrator.kernel.training.kept_state.rules.recording import Recorder
from tests.unit.kernel.training.environments import begun, made, saved, stepped


def check(env: Any) -> Finding:
    return check_environment(env, lambda: 0.0)


class Walk(gymnasium.Env[Any, Any]):
    """A walk whose engine is hidden from the capture: an iterator in a closure of a class attribute."""

    observation_space = gymnasium.spaces.Box(-9, 9, (2,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, hidden: str = "") -> None:
        self.hidden, self.place = hidden, 0.0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.place = float(self.np_random.normal())
        return self._seen(), {}

    def _seen(self) -> Any:
        return np.array(
            [self.place, len(COUNTS.get(id(self), ())) % 5 if self.hidden == "observation" else 0], np.float32
        )

    def step(self, action: Any) -> Any:
        COUNTS.setdefault(id(self), []).append(1)
        self.place += 0.1 * float(action)
        reward = float(len(COUNTS[id(self)]) % 3) if self.hidden == "reward" else 0.0
        ended = self.hidden == "end" and len(COUNTS[id(self)]) % 37 == 36
        return self._seen(), reward, ended, False, {}


COUNTS: dict[int, list[int]] = {}
"""State outside of the environment, which nothing captures."""


@pytest.fixture
def factory() -> Any:
    added: list[Callable[[], Any]] = []

    def add(make: Callable[[], Any]) -> None:
        added.append(make)
        copies.add_factory(make)

    yield add
    for make in added:
        copies.remove_factory(make)


@pytest.mark.parametrize(
    "build",
    [
        lambda: made("CartPole-v1"),
        lambda: made("LunarLander-v3"),
        lambda: made("ALE/Breakout-v5"),
        lambda: Monitor(made("Hopper-v5")),
        lambda: Monitor(AtariWrapper(made("PongNoFrameskip-v4"))),
        lambda: wrappers.NormalizeReward(wrappers.NormalizeObservation(made("Pendulum-v1"))),
        lambda: wrappers.TransformObservation(made("CartPole-v1"), lambda seen: seen * 2, None),
        lambda: gymnasium.envs.box2d.LunarLander(continuous=True),
    ],
    ids=["cart", "lander", "game", "MuJoCo", "Atari", "normalized", "function", "pickled arguments"],
)
def test_faithful_environment_is_exact(build: Callable[[], Any]) -> None:
    finding = check(build())
    assert (finding.fault, finding.unchecked, finding.lost) == ("", "", [])
    assert finding.line.endswith(": exact")


@pytest.mark.parametrize(
    ("hidden", "named"),
    [
        ("observation", "in step 1 after a restore the observation differs: at index [1]"),
        ("reward", "in step 1 after a restore the reward differs: 0.0 instead of 1.0"),
        ("end", " after a restore the end differs: at 0 True instead of False"),
    ],
)
def test_hidden_state_is_named(hidden: str, named: str, factory: Any) -> None:
    factory(lambda: Walk(hidden))
    COUNTS.clear()
    finding = check(Walk(hidden))
    assert named in finding.fault and finding.lost == [f"Walk: {finding.fault}"]


def test_attribute_that_is_not_restored_is_named(factory: Any) -> None:
    class Resisting(Walk):
        """Its rule restores another number."""

    def load(value: Any, state: Any) -> None:
        value.place = -1.0

    registry.add_rule(rule := Half(load))
    try:
        factory(Resisting)
        assert check(Resisting()).fault == "Resisting is not restored"
    finally:
        registry.remove_rule(rule)


class Half:
    """A rule that restores something else."""

    def __init__(self, load: Callable[[Any, Any], None]) -> None:
        self.load = load

    def claims(self, value: Any) -> bool:
        return isinstance(value, Walk)

    def save(self, value: Walk) -> Any:
        return [["place", value.place]]


@pytest.mark.parametrize(
    ("name", "owner", "method", "broken", "named"),
    [
        ("Humanoid-v5", mujoco, "_filled", lambda mujoco, model: (), "in step 1 after a restore the reward differs"),
        ("LunarLander-v3", Recorder, "replay", lambda self, record: self._env.reset(seed=1), "is not restored"),
    ],
)
def test_check_finds_a_rule_that_does_too_little(
    name: str, owner: Any, method: str, broken: Any, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, method, broken)
    assert named in check(made(name)).fault


class Restless:
    """A rule whose `save` changes what it saves."""

    def claims(self, value: Any) -> bool:
        return isinstance(value, Walk)

    def save(self, value: Any) -> Any:
        value.place += 1
        return {"place": value.place}

    def load(self, value: Any, state: Any) -> None:
        value.place = state["place"]


def test_rule_that_changes_what_it_saves_is_named(factory: Any) -> None:
    factory(Walk)
    rule = Restless()
    registry.add_rule(rule)
    try:
        assert check(Walk()).fault == "saving it changes Walk.place"
    finally:
        registry.remove_rule(rule)


def test_environment_that_builds_its_spaces_again_is_named(factory: Any) -> None:
    class Rebuilding(Walk):
        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            self.action_space = gymnasium.spaces.Discrete(2)
            return super().reset(seed=seed)

    factory(Rebuilding)
    assert check(Rebuilding()).fault.startswith("it builds its action space again at each reset")


def test_training_is_not_disturbed() -> None:
    for name in ("CartPole-v1", "Hopper-v5", "LunarLander-v3", "ALE/Pong-v5"):
        env, twin = begun(made(name), 9), begun(made(name), 9)
        random.seed(1), np.random.seed(1), torch.manual_seed(1)
        before, generators = saved(env), repr(capture_random())
        check(env)
        assert saved(env) == before and repr(capture_random()) == generators
        assert stepped(env, 20) == stepped(twin, 20)


def test_environment_that_cannot_be_copied_is_named(factory: Any) -> None:
    assert check(Walk()).unchecked == (
        "Walk was not built by gymnasium.make; name a function that builds it: run.environment_factory"
    )
    env = Walk()
    factory(lambda: env)
    assert "returns the environment of the training" in check(env).unchecked


def test_copy_that_fails_is_named(factory: Any) -> None:
    class Failing(Walk):
        def step(self, action: Any) -> Any:
            raise ZeroDivisionError("no")

    factory(Failing)
    finding = check(Failing())
    assert finding.unchecked == "a copy fails: ZeroDivisionError: no" and finding.lost == []


def test_wrappers_of_a_user_are_left_out_and_named() -> None:
    class Logged(gymnasium.Wrapper[Any, Any, Any, Any]):
        built = 0

        def __init__(self, env: Any) -> None:
            super().__init__(env)
            Logged.built += 1

    finding = check(Logged(made("CartPole-v1")))
    assert finding.unchecked == "the wrappers Logged cannot be built a second time" and Logged.built == 1


def test_monitor_of_a_copy_writes_no_file(tmp_path: Any) -> None:
    env = Monitor(made("CartPole-v1"), str(tmp_path / "log"), allow_early_resets=False)
    begun(env, 0)
    env.reset_state = None
    before = (tmp_path / "log.monitor.csv").read_bytes()
    assert check(env).fault == "" and (tmp_path / "log.monitor.csv").read_bytes() == before
    env.close()


def test_time_is_bounded() -> None:
    class Slow(Walk):
        def step(self, action: Any) -> Any:
            now[0] += 0.2
            steps[0] += 1
            return super().step(action)

    now, steps = [0.0], [0]
    copies.add_factory(Slow)
    try:
        assert check_environment(Slow(), lambda: now[0]).line == "Slow: exact"
    finally:
        copies.remove_factory(Slow)
    assert steps[0] <= 12


def test_cost_of_a_replay_is_measured() -> None:
    assert check_environment(made("LunarLander-v3"), time.monotonic).replay_step_ms is not None
    assert check_environment(made("CartPole-v1"), time.monotonic).replay_step_ms is None
