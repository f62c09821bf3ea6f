"""Two discrete actions for algorithms with continuous actions: the sign of the action selects one."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn


class SignActions(VecEnvWrapper):
    """Presents `Discrete(2)` as `Box(-1, 1, (1,))`: an action above zero is 1, any other is 0. Has no state.

    The distance from zero has no effect on the environment; it only makes an action robust against noise.

    Args:
        venv: An environment with the action space `Discrete(2)`.

    Raises:
        ValueError: It has another action space.
    """

    def __init__(self, venv: VecEnv) -> None:
        if venv.action_space != gymnasium.spaces.Discrete(2):
            raise ValueError(f"sign actions need the action space Discrete(2), not {venv.action_space}")
        super().__init__(venv, action_space=gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32))

    def reset(self) -> VecEnvObs:
        """Reset all environments."""
        return self.venv.reset()

    def step_async(self, actions: npt.NDArray[Any]) -> None:
        """Start a step with actions of shape (n_envs, 1)."""
        self.venv.step_async(signs(actions))

    def step_wait(self) -> VecEnvStepReturn:
        """Finish the step."""
        return self.venv.step_wait()


def signs(actions: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Continuous actions, shape (n, 1), as choices, shape (n,)."""
    return (np.asarray(actions).reshape(len(actions)) > 0.0).astype(np.int64)


def as_choices(actions: npt.NDArray[Any], space: gymnasium.Space[Any]) -> npt.NDArray[Any]:
    """A policy's actions as choices, shape (n,): their signs if the action space is continuous."""
    return signs(actions) if isinstance(space, gymnasium.spaces.Box) else actions
