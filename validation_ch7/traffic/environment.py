"""The training environment: a native stable-baselines3 `VecEnv` over one batch of crossings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

from validation_ch7.traffic.crossing import Crossing
from validation_ch7.traffic.demand import Split, scenario
from validation_ch7.traffic.observation import SIZE, observe, reward
from validation_ch7.traffic.parameters import CrossingParameters


class TrafficSignalVecEnv(VecEnv):
    """n crossings stepped together; action 0 asks for green north-south, 1 for green east-west.

    All episodes begin and end together, at the time limit. Scenario of environment i in its episode e is the
    training scenario at address (seed, i, e), so the state needs no generator.

    Args:
        n_envs: Crossings.
        seed: Of the training scenarios.
        environment: The section card's block.

    Raises:
        ValueError: The block has an unknown key or an unusable value.
    """

    def __init__(self, *, n_envs: int, seed: int, environment: Mapping[str, object]) -> None:
        self._parameters = CrossingParameters.from_mapping(environment)
        self._crossing = Crossing(n_envs, self._parameters)
        self._ticks_per_decision = self._parameters.ticks(self._parameters.decision_s)
        self._seed = seed
        self._episode = -1
        self._returns = np.zeros(n_envs)
        self._decisions = 0
        self._actions = np.zeros(n_envs, dtype=np.int64)
        self.render_mode: str | None = None
        observation_space = spaces.Box(low=0.0, high=np.inf, shape=(SIZE,), dtype=np.float32)
        super().__init__(n_envs, observation_space, spaces.Discrete(2))

    def reset(self) -> VecEnvObs:
        """Begin the next episode everywhere.

        Returns:
            (n_envs, 15) float32.
        """
        self._episode += 1
        addresses = ((self._seed, index, self._episode) for index in range(self.num_envs))
        self._crossing.reset([scenario(Split.TRAINING, address, self._parameters) for address in addresses])
        self._returns[:] = 0.0
        self._decisions = 0
        return observe(self._crossing)

    def step_async(self, actions: npt.NDArray[Any]) -> None:
        """Take the phases asked for."""
        self._actions = np.asarray(actions, dtype=np.int64).reshape(self.num_envs)

    def step_wait(self) -> VecEnvStepReturn:
        """One decision interval.

        Returns:
            Observations (n_envs, 15) float32, rewards (n_envs,) float32, dones (n_envs,) bool, infos. At the end
            of an episode the observation is that of the next one, as stable-baselines3 expects.
        """
        crossing = self._crossing
        before = crossing.delay_veh_s.copy()
        crossing.signal.request(self._actions)
        crossing.advance(self._ticks_per_decision)
        rewards = reward(crossing.delay_veh_s - before, self._parameters.decision_s)
        self._returns += rewards
        self._decisions += 1
        observation = observe(crossing)
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        done = crossing.done
        if done:
            for index, info in enumerate(infos):
                info["terminal_observation"] = observation[index]
                info["TimeLimit.truncated"] = True
                # No clock is read: the time of an episode is not part of what is reproduced.
                info["episode"] = {"r": float(self._returns[index]), "l": self._decisions, "t": 0.0}
            fresh = self.reset()
            observation = np.asarray(fresh, dtype=np.float32)
        return observation, rewards, np.full(self.num_envs, done), infos

    def get_state(self) -> dict[str, object]:
        """Everything that the next steps depend on: arrays and plain numbers only, copied."""
        return {
            "crossing": self._crossing.get_state(),
            "episode": self._episode,
            "returns": self._returns.copy(),
            "decisions": self._decisions,
        }

    def set_state(self, state: Mapping[str, object]) -> None:
        """Put a state back; the next steps are bitwise those of the environment that it was taken from."""
        crossing = state["crossing"]
        if not isinstance(crossing, Mapping):
            raise ValueError("the state of the environment has no crossing")
        self._crossing.set_state(crossing)
        self._episode = int(np.asarray(state["episode"]))
        self._returns[:] = np.asarray(state["returns"], dtype=np.float64)
        self._decisions = int(np.asarray(state["decisions"]))

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Ignored: scenarios are addressed by the lineage's seed, never by a generator that others may reseed."""
        return [None] * self.num_envs

    def close(self) -> None:
        """Nothing to let go of."""

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """The attribute, once for each environment named."""
        return [getattr(self, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Refused: the environments of a batch cannot differ."""
        raise NotImplementedError(f"{attr_name} cannot be set on single environments of a batch")

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of the whole batch once."""
        return [getattr(self, method_name)(*method_args, **method_kwargs)]

    def env_is_wrapped(self, wrapper_class: type[Any], indices: VecEnvIndices = None) -> list[bool]:
        """No single environment is wrapped: there are none."""
        count: Iterable[int] = self._get_indices(indices)
        return [False for _ in count]
