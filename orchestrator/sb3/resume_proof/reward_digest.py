"""An environment that remembers every reward it ever gave, as one digest that travels with its state."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn


class RewardRecord(VecEnv):
    """Stands before an environment and changes nothing of it.

    The digest goes on where a restored state left it: rewards that a killed session saw after its last checkpoint
    are forgotten with everything else of it, and counted when they are given again.

    Args:
        inner: The environment; not a wrapper, so that what captures environments takes this one for it.
        before_step: Told the steps made so far, over all sessions and copies, before each step.
    """

    render_mode: str | None = None  # the base class asks for it

    def __init__(self, inner: VecEnv, before_step: Callable[[int], None] = lambda steps: None) -> None:
        self.inner: Any = inner
        super().__init__(inner.num_envs, inner.observation_space, inner.action_space)
        self._before_step = before_step
        self._rows = 0
        self.reward_sequence = hashlib.sha256().hexdigest()

    def step_wait(self) -> VecEnvStepReturn:
        """Step, and append this step's rewards, shape (n_envs,), to the digest."""
        self._before_step(self._rows * self.num_envs)
        observations, rewards, ends, infos = self.inner.step_wait()
        given = np.ascontiguousarray(rewards, dtype="<f4").tobytes()
        self.reward_sequence = hashlib.sha256(bytes.fromhex(self.reward_sequence) + given).hexdigest()
        self._rows += 1
        return observations, rewards, ends, infos

    def go_on_from(self, other: RewardRecord) -> None:
        """Continue another record, where an environment was built anew and not restored."""
        self._rows, self.reward_sequence = other._rows, other.reward_sequence

    def get_state(self) -> dict[str, Any]:
        """The environment's state, and the record's."""
        return {"environment": self.inner.get_state(), "rows": self._rows, "reward_sequence": self.reward_sequence}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from a state."""
        self.inner.set_state(state["environment"])
        self._rows, self.reward_sequence = state["rows"], state["reward_sequence"]

    def reset(self) -> VecEnvObs:
        """Begin the next episodes."""
        observations: VecEnvObs = self.inner.reset()
        return observations

    def step_async(self, actions: np.ndarray) -> None:
        """Pass the actions on."""
        self.inner.step_async(actions)

    def close(self) -> None:
        """Close the environment."""
        self.inner.close()

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Seed the environment."""
        seeds: Sequence[int | None] = self.inner.seed(seed)
        return seeds

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """The environment's own."""
        values: list[Any] = self.inner.get_attr(attr_name, indices)
        return values

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """The environment's own."""
        self.inner.set_attr(attr_name, value, indices)

    def env_method(self, method_name: str, *args: Any, indices: VecEnvIndices = None, **words: Any) -> list[Any]:
        """The environment's own."""
        answers: list[Any] = self.inner.env_method(method_name, *args, indices=indices, **words)
        return answers

    def env_is_wrapped(self, wrapper_class: type, indices: VecEnvIndices = None) -> list[bool]:
        """The environment's own."""
        wrapped: list[bool] = self.inner.env_is_wrapped(wrapper_class, indices)
        return wrapped
