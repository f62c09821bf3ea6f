"""Single environments for cases that the walks of `tiny_world` cannot show: goals, named observations, images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv
from tiny_world import VARIANTS, TinyVecEnv

from orchestrator.sb3.training.training_state import Evaluation, Task

N_ENVS, EPISODE_STEPS, PIXELS = 4, 7, 36


class Goal(gymnasium.Env[Any, Any]):
    """A noisy walk towards a place that changes in each episode."""

    observation_space = Dict(
        {name: Box(-9, 9, (1,), np.float32) for name in ("observation", "achieved_goal", "desired_goal")}
    )
    action_space = Box(-1, 1, (1,), np.float32)

    def __init__(self) -> None:
        self.place = self.goal = 0.0
        self.clock = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.place, self.goal = (float(one) for one in self.np_random.normal(0, 1, 2))
        self.clock = 0
        return self._seen(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.place = float(np.clip(self.place + action[0] + self.np_random.normal(0, 0.1), -9, 9))
        self.clock += 1
        seen = self._seen()
        reward = float(self.compute_reward(seen["achieved_goal"], seen["desired_goal"], {})[0])
        return seen, reward, False, self.clock >= EPISODE_STEPS, {}

    def compute_reward(self, achieved: Any, desired: Any, infos: Any) -> Any:
        return -(np.abs(achieved - desired).reshape(-1) > 0.5).astype(np.float32)

    def _seen(self) -> dict[str, Any]:
        values = {"observation": self.clock / 9, "achieved_goal": self.place, "desired_goal": self.goal}
        return {name: np.array([value], np.float32) for name, value in values.items()}


class Named(Goal):
    """The walk with two discrete actions."""

    action_space = Discrete(2)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return super().step(np.array([0.3 if action else -0.3]))


class Images(Named):
    """The walk as a picture: a bright column at its place."""

    observation_space = Box(0, 255, (PIXELS, PIXELS, 1), np.uint8)

    def _seen(self) -> Any:
        picture = np.zeros((PIXELS, PIXELS, 1), np.uint8)
        picture[:, int((self.place + 9) / 18.01 * PIXELS)] = 255
        return picture

    def compute_reward(self, achieved: Any, desired: Any, infos: Any) -> Any:
        return -abs(self.place)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.place = float(np.clip(self.place + (0.3 if action else -0.3) + self.np_random.normal(0, 0.1), -9, 9))
        self.clock += 1
        return self._seen(), -abs(self.place), False, self.clock >= EPISODE_STEPS, {}


class MaskedVecEnv(TinyVecEnv):
    """The walks of `tiny_world`, in which a walk far to the right must not be pushed further."""

    def action_masks(self) -> np.ndarray:
        return np.column_stack([np.ones(self.num_envs, bool), self._place[:, 0] < 0.5])


_SINGLES: dict[str, Callable[[], Any]] = {"DQN named": Named, "SAC hindsight": Goal, "PPO images": Images}


def env_of(case: str, seed: int = 7) -> VecEnv:
    """A fresh environment for a case."""
    if case in _SINGLES:
        env = DummyVecEnv([_SINGLES[case]] * N_ENVS)
        env.seed(seed)
        return env
    n_envs = VARIANTS[case][1]["n_envs"] if case in VARIANTS else N_ENVS
    return (MaskedVecEnv if case == "MaskablePPO" else TinyVecEnv)(n_envs, seed)


def world_of(case: str, each_step: Callable[[int], None]) -> Task:
    """The task of a case; a function is called with the steps of this session after each one.

    Its evaluation only draws from the global generators, as a careless one would.
    """

    def build(lineage: Any) -> VecEnv:
        env = env_of(case, lineage.seed)
        step, made = env.step_wait, [0]

        def counted() -> Any:
            made[0] += env.num_envs
            each_step(made[0])
            return step()

        env.step_wait = counted  # type: ignore[method-assign]  # of this object alone, and no state of it
        return env

    def evaluate(model: Any, lineage: Any) -> Evaluation:
        return Evaluation(score=float(np.random.rand()) * 0.0, measures={})

    return Task(build_env=build, evaluate=evaluate)
