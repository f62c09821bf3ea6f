"""Trainings of `run.sb3` on the environments of libraries: cut anywhere, they end with the same bytes."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stable_baselines3 import DQN, PPO, SAC
from stable_baselines3.common.callbacks import CallbackList, EvalCallback, EveryNTimesteps
from stable_baselines3.common.env_util import make_atari_env, make_vec_env
from stable_baselines3.common.vec_env import (
    SubprocVecEnv,
    VecFrameStack,
    VecMonitor,
    VecNormalize,
    VecTransposeImage,
)
from test_script import PROXIMAL, REPLAY, SMALL, cards, copied, end_of, learning, session

from orchestrator.sb3.state.npz_tree import same_state

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import ale_py
    import gymnasium
    import minigrid.wrappers

gymnasium.register_envs(ale_py)

TINY = {"n_steps": 16, "batch_size": 16, "n_epochs": 1, **SMALL}
BEFORE_LEARNING = {**REPLAY, "learning_starts": 60}
NORMALIZED = partial(VecNormalize, norm_reward=True)
_STARTED: list[Any] = []
"""Processes of environments that a test has started."""


def _game(name: str) -> VecFrameStack:
    return VecFrameStack(make_atari_env(name, 2, seed=5), 4)


def _in_processes(name: Any, count: int = 2) -> VecNormalize:
    """`fork`, since other ways to start a process take seconds here; Windows has only `spawn`."""
    way = {"start_method": "fork" if sys.platform.startswith("linux") else "spawn"}
    env = make_vec_env(name, count, vec_env_cls=SubprocVecEnv, vec_env_kwargs=way)
    assert isinstance(env, SubprocVecEnv)
    _STARTED.extend(env.processes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # each environment has a monitor, too
        return VecNormalize(VecMonitor(env))


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    yield
    for process in _STARTED:
        process.kill()
        process.join()
    _STARTED.clear()


def _grid() -> gymnasium.Env[Any, Any]:
    return minigrid.wrappers.FlatObsWrapper(gymnasium.make("MiniGrid-DoorKey-5x5-v0"))


FAST: dict[str, Callable[[], Any]] = {
    "Box2D": lambda: PPO("MlpPolicy", "LunarLander-v3", **copied(PROXIMAL)),
    "MuJoCo": lambda: SAC("MlpPolicy", "Hopper-v5", **copied(BEFORE_LEARNING)),
    "processes": lambda: PPO("MlpPolicy", _in_processes("LunarLander-v3"), **copied(TINY)),
}
LONG: dict[str, Callable[[], Any]] = {
    "Atari": lambda: PPO("MlpPolicy", _game("BreakoutNoFrameskip-v4"), **copied(TINY)),
    "Atari with sticky actions": lambda: PPO("MlpPolicy", make_vec_env(_pong, 2), **copied(TINY)),
    "walker": lambda: PPO("MlpPolicy", "BipedalWalker-v3", **copied(PROXIMAL)),
    "hardcore walker": lambda: SAC("MlpPolicy", "BipedalWalkerHardcore-v3", **copied(BEFORE_LEARNING)),
    "continuous lander": lambda: SAC("MlpPolicy", "LunarLanderContinuous-v3", **copied(BEFORE_LEARNING)),
    "racing": lambda: PPO("MlpPolicy", VecTransposeImage(make_vec_env(_racing, 1)), **copied(TINY)),
    "minigrid": lambda: DQN("MlpPolicy", _grid(), **copied(REPLAY)),
    "taxi": lambda: DQN("MlpPolicy", "Taxi-v4", **copied(REPLAY)),
    "frozen lake": lambda: PPO("MlpPolicy", "FrozenLake-v1", **copied(PROXIMAL)),
    "mountain car": lambda: SAC("MlpPolicy", "MountainCarContinuous-v0", use_sde=True, **copied(REPLAY)),
    "MuJoCo in processes": lambda: PPO("MlpPolicy", _in_processes("HalfCheetah-v5"), **copied(TINY)),
    "Atari in processes": lambda: PPO("MlpPolicy", _in_processes(_pong), **copied(TINY)),
    "Ant, normalized": lambda: PPO("MlpPolicy", NORMALIZED(make_vec_env("Ant-v5", 2)), **copied(TINY)),
    "Humanoid": lambda: SAC("MlpPolicy", "Humanoid-v5", **copied(BEFORE_LEARNING)),
}


def _pong() -> gymnasium.Env[Any, Any]:
    return gymnasium.make("ALE/Pong-v5", obs_type="ram")


def _racing() -> gymnasium.Env[Any, Any]:
    return gymnasium.make("CarRacing-v3", max_episode_steps=40)


def _ends_equal(build: Callable[[], Any], folder: Path, *more: Callable[[], Any], target: int) -> None:
    learn, straight, cut = learning(build, *more), folder / "straight", folder / "cut"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert session(straight, None, learn, target) == 0
        assert [session(cut, at, learn, target) for at in (target // 4, target * 5 // 8, None)] == [75, 75, 0]
    one, other = end_of(straight), end_of(cut)
    assert same_state(one[0], other[0]) and one[1:] == other[1:]
    card = cards(cut)
    assert card["identity"]["lost_state"] == []
    assert {ancestor["continued"] for ancestor in card["ancestry"]} == {"exact"}


@pytest.mark.parametrize("case", FAST)
def test_training_that_is_cut_ends_with_the_same_bytes(case: str, tmp_path: Path) -> None:
    _ends_equal(FAST[case], tmp_path, target=128)


@pytest.mark.prove
@pytest.mark.parametrize("case", [*FAST, *LONG])
def test_long_training_that_is_cut_ends_with_the_same_bytes(case: str, tmp_path: Path) -> None:
    _ends_equal({**FAST, **LONG}[case], tmp_path, target=200 if case == "racing" else 600)


def _evaluation() -> EvalCallback:
    return EvalCallback(make_vec_env("LunarLander-v3", 1, seed=5), eval_freq=30, n_eval_episodes=1, verbose=0)


def _nested_evaluation() -> EveryNTimesteps:
    return EveryNTimesteps(30, CallbackList([_evaluation()]))


@pytest.mark.parametrize("callback", [pytest.param(_evaluation, marks=pytest.mark.prove), _nested_evaluation])
def test_environment_of_an_evaluation_is_kept_too(callback: Callable[[], Any], tmp_path: Path) -> None:
    _ends_equal(FAST["Box2D"], tmp_path, callback, target=128)


def test_a_process_that_ends_is_named(tmp_path: Path) -> None:
    def build() -> PPO:
        env = _in_processes("CartPole-v1")
        built.append(env.unwrapped)
        return PPO("MlpPolicy", env, **copied(TINY))

    def learn(run: Any, cut: Any) -> None:
        model = run.sb3(build)
        built[0].processes[1].kill()
        model.learn(run.remaining, callback=run.callback, reset_num_timesteps=False)

    built: list[Any] = []
    with pytest.raises(RuntimeError, match="process of environment 1 of SubprocVecEnv has ended with exit code "):
        session(tmp_path, None, learn)


def test_global_generators_of_processes_are_kept_if_they_are_used(tmp_path: Path) -> None:
    _ends_equal(lambda: PPO("MlpPolicy", _in_processes(_careless), **copied(TINY)), tmp_path, target=128)


class Rebuilding(gymnasium.Env[Any, Any]):
    """Builds its spaces again at each reset, and draws from its action space, which a model then does not share."""

    def __init__(self) -> None:
        self.place, self.steps = 0.0, 0
        self._build_spaces()

    def _build_spaces(self) -> None:
        self.observation_space = gymnasium.spaces.Box(-9, 9, (1,))
        self.action_space = gymnasium.spaces.Discrete(3)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self._build_spaces()
        self.action_space.seed(int(self.np_random.integers(1000)))
        self.place, self.steps = float(self.np_random.normal()), 0
        return np.array([self.place], np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.place += 0.1 * (int(action) + int(self.action_space.sample()) - 2)
        self.steps += 1
        return np.array([self.place], np.float32), -abs(self.place), self.steps == 15, False, {}


def test_an_environment_that_builds_its_spaces_at_each_reset_is_exact(tmp_path: Path) -> None:
    _ends_equal(lambda: DQN("MlpPolicy", Rebuilding(), **copied(REPLAY)), tmp_path, target=128)


def test_spaces_of_environments_in_processes_get_the_seed_of_the_model(tmp_path: Path) -> None:
    _ends_equal(lambda: PPO("MlpPolicy", _in_processes(_stacked), **copied(TINY)), tmp_path, target=128)


def test_what_reads_the_files_of_processes_is_no_state_of_the_environments(tmp_path: Path) -> None:
    learn = learning(lambda: PPO("MlpPolicy", _in_processes("CartPole-v1"), **copied(TINY)))
    assert session(tmp_path, None, learn, 128) == 0
    assert b"_orchestrator" not in repr(end_of(tmp_path)[0]).encode()


class Careless(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Draws from numpy's global generator, which each process has for itself."""

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        np.random.seed(5)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        return self.env.reset(seed=int(np.random.randint(1000)))


def _stacked() -> gymnasium.Env[Any, Any]:
    """The wrapper copies the generator of a space, which then takes a seed from the system."""
    return gymnasium.wrappers.FlattenObservation(gymnasium.wrappers.FrameStackObservation(_careless(), 2))


def _careless() -> gymnasium.Env[Any, Any]:
    return Careless(gymnasium.make("CartPole-v1", max_episode_steps=9))
