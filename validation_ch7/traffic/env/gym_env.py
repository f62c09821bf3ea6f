"""One crossing as a plain gymnasium environment, for algorithms without vectorized environments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt

from validation_ch7.traffic.env.vec_env import TrafficSignalVecEnv
from validation_ch7.traffic.signal.two_phase import N_PHASES

Observation = npt.NDArray[np.float32]


class TrafficSignalEnv(gymnasium.Env[Observation, np.int64]):
    """`TrafficSignalVecEnv` with one environment behind gymnasium's interface: the same traffic, step for step.

    An episode is never terminated, only truncated at its end.

    Args:
        environment: The `environment` block of a section's card.
        seed: Stream of training scenarios; `reset(seed=...)` selects another.

    Attributes:
        observation_space: The features of `senses`, by default fifteen.
        action_space: By default the requested phase: 0 north-south, 1 east-west.

    Raises:
        ValueError: A key of the block is unknown, or a value is invalid.
    """

    def __init__(self, *, environment: Mapping[str, object], seed: int = 0) -> None:
        self._batch = TrafficSignalVecEnv(n_envs=1, seed=seed, environment=environment)
        features = self._batch.observation_space.shape
        self.observation_space = gymnasium.spaces.Box(0.0, np.inf, features, np.float32)
        self.action_space = gymnasium.spaces.Discrete(N_PHASES)
        self._begun: Observation | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start the next episode; with a seed, the first one of that stream.

        Args:
            seed: Stream of training scenarios, None for the current one.
            options: Ignored.
        """
        super().reset(seed=seed)
        if seed is None and self._begun is not None:
            observation, self._begun = self._begun, None  # the batch has already started this episode
            return observation, {}
        self._begun = None
        if seed is not None:
            self._batch.begin_stream(seed)
        return self._batch.reset()[0], {}

    def step(self, action: np.int64) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Request a phase and simulate one decision interval.

        Returns:
            Observation (features,), reward, False, whether the episode is over, and info (with `delay_s_per_veh` at its
            end).

        Raises:
            RuntimeError: The episode is over, or none has started.
        """
        if self._begun is not None:
            raise RuntimeError("the episode is over: call reset() before the next step()")
        observations, rewards, over, infos = self._batch.step(np.array([action]))
        info = dict(infos[0])
        observation: Observation = np.asarray(observations)[0]
        if over[0]:
            self._begun, observation = observation, info.pop("terminal_observation")
        return observation, float(rewards[0]), False, bool(over[0]), info
