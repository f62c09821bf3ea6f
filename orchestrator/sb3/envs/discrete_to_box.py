"""A choice of two for algorithms that know only continuous actions: the sign says which."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn


class SignActions(VecEnvWrapper):
    """Offers `Box(-1, 1, (1,))` in place of `Discrete(2)`: above zero is 1, zero and below is 0. Has no state.

    At the crossing the sign asks for the phase. How far from zero the action lies means nothing to the signal; to
    the algorithm it is how sure it is, since noise on an action far from zero does not turn it.

    Args:
        venv: The environment of two actions.

    Raises:
        ValueError: It has others.
    """

    def __init__(self, venv: VecEnv) -> None:
        if venv.action_space != gymnasium.spaces.Discrete(2):
            raise ValueError(f"a sign chooses one of two actions, and here they are {venv.action_space}")
        super().__init__(venv, action_space=gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32))

    def reset(self) -> VecEnvObs:
        """Begin anew in every copy."""
        return self.venv.reset()

    def step_async(self, actions: npt.NDArray[Any]) -> None:
        """Take actions, shape (n_envs, 1)."""
        self.venv.step_async(signs(actions))

    def step_wait(self) -> VecEnvStepReturn:
        """Finish the step."""
        return self.venv.step_wait()


def signs(actions: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Continuous actions, shape (n, 1), as choices, shape (n,)."""
    return (np.asarray(actions).reshape(len(actions)) > 0.0).astype(np.int64)


def as_choices(actions: npt.NDArray[Any], space: gymnasium.Space[Any]) -> npt.NDArray[Any]:
    """What a policy of this action space chose, shape (n,): its signs where it is continuous."""
    return signs(actions) if isinstance(space, gymnasium.spaces.Box) else actions
