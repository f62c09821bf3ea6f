"""An environment that records all its rewards as one digest, which is part of its state."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn


class RewardRecord(VecEnv):
    """Records the rewards of an environment without changing it.

    A restored state restores the digest too, so rewards after the last checkpoint of a killed session count once:
    when they are given again.

    Args:
        inner: The environment. This class is not a `VecEnvWrapper`, so that the state of both is captured as one.
        before_step: Called before each step with the steps made so far, over all sessions and environments.
    """

    render_mode: str | None = None  # the base class reads it

    def __init__(self, inner: VecEnv, before_step: Callable[[int], None] = lambda steps: None) -> None:
        self.inner: Any = inner
        super().__init__(inner.num_envs, inner.observation_space, inner.action_space)
        self._before_step = before_step
        self._rows = 0
        self.reward_sequence = hashlib.sha256().hexdigest()

    def step_wait(self) -> VecEnvStepReturn:
        """Finish the step, and add its rewards, shape (n_envs,), to the digest."""
        self._before_step(self._rows * self.num_envs)
        observations, rewards, ends, infos = self.inner.step_wait()
        given = np.ascontiguousarray(rewards, dtype="<f4").tobytes()
        self.reward_sequence = hashlib.sha256(bytes.fromhex(self.reward_sequence) + given).hexdigest()
        self._rows += 1
        return observations, rewards, ends, infos

    def go_on_from(self, other: RewardRecord) -> None:
        """Continue another record, if the environment was rebuilt and not restored."""
        self._rows, self.reward_sequence = other._rows, other.reward_sequence

    def get_state(self) -> dict[str, Any]:
        """State of the environment and of the record."""
        return {"environment": self.inner.get_state(), "rows": self._rows, "reward_sequence": self.reward_sequence}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from a state."""
        self.inner.set_state(state["environment"])
        self._rows, self.reward_sequence = state["rows"], state["reward_sequence"]

    def reset(self) -> VecEnvObs:
        """Reset the environment."""
        observations: VecEnvObs = self.inner.reset()
        return observations

    def step_async(self, actions: np.ndarray) -> None:
        """Start a step of the environment."""
        self.inner.step_async(actions)

    def close(self) -> None:
        """Close the environment."""
        self.inner.close()

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Seed the environment."""
        seeds: Sequence[int | None] = self.inner.seed(seed)
        return seeds

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Forwarded to the environment."""
        values: list[Any] = self.inner.get_attr(attr_name, indices)
        return values

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Forwarded to the environment."""
        self.inner.set_attr(attr_name, value, indices)

    def env_method(self, method_name: str, *args: Any, indices: VecEnvIndices = None, **kwargs: Any) -> list[Any]:
        """Forwarded to the environment."""
        results: list[Any] = self.inner.env_method(method_name, *args, indices=indices, **kwargs)
        return results

    def env_is_wrapped(self, wrapper_class: type, indices: VecEnvIndices = None) -> list[bool]:
        """Forwarded to the environment."""
        wrapped: list[bool] = self.inner.env_is_wrapped(wrapper_class, indices)
        return wrapped
