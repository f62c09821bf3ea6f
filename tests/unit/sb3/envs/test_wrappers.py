"""Wrappers and vectorised single environments: their state is saved, or reported as lost."""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
from cut_trainings import built, end_of, restored, saved, trained
from gymnasium.wrappers import TimeLimit
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecFrameStack, VecMonitor, VecNormalize
from tiny_world import TinyVecEnv

from orchestrator.sb3.algorithms.normalization import Normalization, normalization_of
from orchestrator.sb3.envs.discrete_to_box import SignActions, as_choices
from orchestrator.sb3.envs.wrappers import capture_layers, lost_state, restore_layers


class Walk(gymnasium.Env[Any, Any]):
    """One noisy random walk, written as a usual gymnasium environment."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (1,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, seed: int) -> None:
        self._generator, self._place = np.random.default_rng(seed), 0.0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        self._place = float(self._generator.normal())
        return np.array([self._place], dtype=np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self._place += float(self._generator.normal(0, 0.2)) + (0.3 if action else -0.3)
        return np.array([self._place], dtype=np.float32), -abs(self._place), abs(self._place) > 3, False, {}


class OpaqueWalk(Walk):
    """A walk with an attribute whose state cannot be read."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._draws = iter(range(10**9))


class KeptWalk(Walk):
    def get_state(self) -> dict[str, Any]:
        return {"generator": self._generator.bit_generator.state, "place": self._place}

    def set_state(self, state: dict[str, Any]) -> None:
        self._generator.bit_generator.state, self._place = state["generator"], state["place"]


def walks(kind: type[Walk], *, monitored: bool = True) -> DummyVecEnv:
    def walk_of(seed: int) -> Callable[[], gymnasium.Env[Any, Any]]:
        return lambda: Monitor(TimeLimit(kind(seed), 11)) if monitored else TimeLimit(kind(seed), 11)

    return DummyVecEnv([walk_of(seed) for seed in range(4)])


@pytest.mark.parametrize(
    "build",
    [
        lambda: VecMonitor(TinyVecEnv(4, 7)),
        lambda: walks(KeptWalk),
        lambda: walks(Walk),
        lambda: VecFrameStack(walks(Walk), 2),
        lambda: VecMonitor(InvertingWrapper(walks(KeptWalk, monitored=False))),
    ],
    ids=["VecMonitor", "Monitor and TimeLimit", "by attributes", "a layer by attributes", "a layer of one's own"],
)
@pytest.mark.parametrize("algorithm", ["DQN", "PPO"])
def test_wrappers_are_part_of_the_state(build: Callable[[], VecEnv], algorithm: str) -> None:
    assert lost_state(build()) == ()
    straight = end_of(trained(built(algorithm, build())))
    whole = saved(trained(built(algorithm, build()), 256))
    assert end_of(trained(restored(algorithm, whole, env=build()))) == straight
    section = "layers" if "layers" in whole.state else "environment"
    try:
        assert end_of(trained(restored(algorithm, whole, env=build(), leave_out=section))) != straight
    except RuntimeError as fault:
        assert "needs reset" in str(fault)  # a new monitor does not know that an episode has started


class InvertingWrapper(SignActions):
    """A user's own wrapper with state: every fifth step it inverts the action."""

    def __init__(self, venv: VecEnv) -> None:
        super().__init__(venv)
        self.action_space: Any = venv.action_space
        self._steps = 0

    def step_async(self, actions: Any) -> None:
        self._steps += 1
        self.venv.step_async(actions if self._steps % 5 else 1 - actions)

    def get_state(self) -> dict[str, Any]:
        return {"steps": self._steps}

    def set_state(self, state: dict[str, Any]) -> None:
        self._steps = state["steps"]


def test_state_that_cannot_be_saved_is_reported() -> None:
    hidden = "_draws: an object of builtins:range_iterator, which hides its state"
    assert lost_state(walks(OpaqueWalk)) == (f"OpaqueWalk.{hidden}",)
    assert lost_state(walks(Walk)) == lost_state(VecFrameStack(TinyVecEnv(4, 7), 2)) == ()
    # A subclass may have more state than the known class.
    other = type("Other", (VecMonitor,), {})(TinyVecEnv(4, 7))
    assert lost_state(other) == ()
    other._draws = iter(range(10**9))
    assert lost_state(other) == (f"Other.{hidden}",)


def test_a_run_continues_with_new_episodes_if_the_environment_was_not_saved() -> None:
    whole = saved(trained(built("PPO", walks(OpaqueWalk)), 256))
    model = restored("PPO", whole, env=walks(OpaqueWalk))
    assert model._last_obs is None and whole.state["environment"] != []
    assert trained(model).num_timesteps == 384


def test_other_wrappers_than_the_saved_ones_are_refused() -> None:
    trees = capture_layers(VecMonitor(TinyVecEnv(4, 7)))
    with pytest.raises(ValueError, match=r"checkpoint=\['VecMonitor'\], current=\['VecNormalize'\]"):
        restore_layers(VecNormalize(TinyVecEnv(4, 7)), trees)


def test_a_policy_gets_the_same_normalized_observations_in_training_and_outside() -> None:
    model = trained(built("A2C"), 128)
    layer, raw = model.get_vec_normalize_env(), np.random.default_rng(0).normal(0, 30, (50, 3))
    assert layer is not None
    found = normalization_of(model)
    assert found is not None and found(raw).tobytes() == np.asarray(layer.normalize_obs(raw)).tobytes()
    assert Normalization.from_tree(found.to_tree())(raw).tobytes() == found(raw).tobytes()
    layer.norm_obs = False
    assert normalization_of(model) is None and normalization_of(built("DQN")) is None


def test_the_sign_of_a_continuous_action_chooses_the_discrete_action() -> None:
    env = SignActions(TinyVecEnv(4, 7))
    assert env.action_space == gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)
    actions = np.array([[-1.0], [0.0], [1e-9], [1.0]], dtype=np.float32)
    env.step_async(actions)
    # The inner vector environment has it.
    assert env.venv._actions.tolist() == [0, 0, 1, 1]  # type: ignore[attr-defined]
    assert as_choices(actions, env.action_space).tolist() == [0, 0, 1, 1]
    assert as_choices(np.array([1, 0]), gymnasium.spaces.Discrete(2)).tolist() == [1, 0]
    with pytest.raises(ValueError, match=r"need the action space Discrete\(2\)"):
        SignActions(env)
