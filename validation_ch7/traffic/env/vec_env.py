"""The crossing as a native stable-baselines3 environment: all copies in one batch, with a state that can be saved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices

from validation_ch7.traffic.env.reward import reward_of
from validation_ch7.traffic.env.senses import senses_of
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.arz import Floats
from validation_ch7.traffic.model.demand import ScenarioAddress, Split, draw_scenarios
from validation_ch7.traffic.signal.two_phase import N_PHASES
from validation_ch7.traffic.state_tree import array_from, branch_from, whole_number_from

SAVED = "saved_by_change"
"""Key of an info: what a change of the phase saves, where a look ahead predicted it."""


class TrafficSignalVecEnv(VecEnv):
    """Training episodes with random demand; the action selects the phase, the reward penalizes delay.

    With a look ahead, the reward of a decision is half of what it saves against the other one, predicted before it is
    made; the info then holds `saved_by_change`, twice the reward of a change. Decisions that are not predicted have the
    reward 0 and no such key.

    All copies start and end their episodes together. Episode `e` of copy `i` always has the demand of training scenario
    `e * n_envs + i` in the stream of the seed, so no random state has to be saved. It reads no clock and draws from no
    global generator.

    Args:
        n_envs: Number of crossings.
        seed: Stream of training scenarios.
        environment: The `environment` block of a section's card.
        look_ahead: Predicts what a change of the phase saves now, shape (n_envs,); NaN where it does not.

    Raises:
        ValueError: A key of the block is unknown, or a value is invalid.
    """

    render_mode: str | None = None  # the base class reads it

    def __init__(
        self,
        *,
        n_envs: int,
        seed: int,
        environment: Mapping[str, object],
        look_ahead: Callable[[CrossingSimulation], Floats] | None = None,
    ) -> None:
        self.settings = EnvironmentSettings.from_mapping(environment)
        self._senses = senses_of(self.settings)
        self._look_ahead = look_ahead
        features = gymnasium.spaces.Box(0.0, np.inf, (self._senses.n_features,), np.float32)
        super().__init__(n_envs, features, gymnasium.spaces.Discrete(N_PHASES))
        self._seed = self._next_seed = seed
        self._episode = -1
        self._actions: npt.NDArray[np.int64] = np.zeros(n_envs, dtype=np.int64)
        self._returns: Floats = np.zeros(n_envs)
        self._decision_steps = self.settings.steps("decision_s")
        self._simulation = self._new_simulation()

    def reset(self) -> npt.NDArray[np.float32]:
        """Start the next episode in every copy.

        Returns:
            First observations, shape (n_envs, features).
        """
        self._episode = 0 if self._next_seed != self._seed else self._episode + 1
        self._seed = self._next_seed
        self._simulation = self._new_simulation()
        self._returns = np.zeros(self.num_envs)
        return self._senses.observe(self._simulation)

    def step_async(self, actions: npt.NDArray[Any]) -> None:
        """Store the requested phases, shape (n_envs,); `step_wait` applies them.

        Raises:
            ValueError: They are real numbers other than 0 and 1; converting a continuous policy's actions to integers
                would silently lose its decisions.
        """
        phases = np.asarray(actions)
        if phases.dtype.kind == "f" and not np.isin(phases, range(N_PHASES)).all():
            raise ValueError(
                f"actions must be 0 or 1, but they are {phases.dtype} numbers: wrap the environment in `SignActions`"
                " for a policy with continuous actions"
            )
        self._actions = phases.astype(np.int64).reshape(self.num_envs)

    def step_wait(
        self,
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.bool_], list[dict[str, Any]]]:
        """Apply the requests, simulate one decision interval, and start a new episode if this one is over.

        Returns:
            Observations (n_envs, features), rewards (n_envs,), ends (n_envs,), infos; an info at an episode's end holds
            `terminal_observation`, `TimeLimit.truncated` and `episode` (its `t` is 0, since no clock is read).

        Raises:
            RuntimeError: `reset` was not called yet.
        """
        if self._episode < 0:
            raise RuntimeError("call reset() before the first step()")
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        saved = None if self._look_ahead is None else self._saved(infos)
        before_veh_s = self._simulation.traffic.delay_veh_s()
        self._simulation.request(self._senses.phases(self._simulation, self._actions))
        self._simulation.advance(self._decision_steps)
        delay_veh_s = self._simulation.traffic.delay_veh_s() - before_veh_s
        rewards = reward_of(delay_veh_s, self.settings.decision_s)
        if saved is not None:
            rewards = saved
        self._returns += rewards
        over = self._decisions_made() >= self.settings.decisions_per_episode
        observations = self._senses.observe(self._simulation)
        if over:
            for info, last in zip(infos, self._last_infos(observations), strict=True):
                info.update(last)
            observations = self.reset()
        return observations, rewards.astype(np.float32), np.full(self.num_envs, over), infos

    def _saved(self, infos: list[dict[str, Any]]) -> Floats:
        """Half of what each decision saves against the other one, shape (n_envs,); fills the infos."""
        assert self._look_ahead is not None
        saved = self._look_ahead(self._simulation)
        known = np.flatnonzero(~np.isnan(saved))
        for copy in known:
            infos[copy][SAVED] = float(saved[copy])
        changes = self._senses.phases(self._simulation, self._actions) != self._simulation.signal.phase
        rewards = np.zeros(self.num_envs)
        rewards[known] = np.where(changes[known], 0.5, -0.5) * saved[known]
        return rewards

    def _last_infos(self, observations: npt.NDArray[np.float32]) -> list[dict[str, Any]]:
        traffic = self._simulation.traffic
        delay_s_per_veh = traffic.delay_veh_s() / np.maximum(traffic.total_arrived_veh(), 1.0)
        length = self.settings.decisions_per_episode
        return [
            {
                "terminal_observation": observations[copy],
                "TimeLimit.truncated": True,
                "episode": {"r": float(self._returns[copy]), "l": length, "t": 0.0},
                "delay_s_per_veh": float(delay_s_per_veh[copy]),
            }
            for copy in range(self.num_envs)
        ]

    def _decisions_made(self) -> int:
        return self._simulation.steps_done // self._decision_steps

    def _new_simulation(self) -> CrossingSimulation:
        """The simulation of the current episode at its start; before the first one, that of episode 0."""
        first = max(self._episode, 0) * self.num_envs
        addresses = [
            ScenarioAddress(split=Split.TRAINING, stream=self._seed, index=first + copy)
            for copy in range(self.num_envs)
        ]
        settings = self.settings
        scenarios = draw_scenarios(
            addresses, episode_s=settings.episode_s, vf_m_s=settings.traffic.vf_m_s, ranges=settings.learning.demand
        )
        return CrossingSimulation(settings, scenarios)

    def get_state(self) -> dict[str, object]:
        """Everything that the next steps depend on: a tree of dicts, numbers and arrays that shares no memory."""
        return {
            "n_envs": self.num_envs,
            "settings": dict(self.settings.describe()),
            "seed": self._seed,
            "next_seed": self._next_seed,
            "episode": self._episode,
            "actions": self._actions.copy(),
            "returns": self._returns.copy(),
            "simulation": self._simulation.get_state(),
        }

    def set_state(self, state: Mapping[str, object]) -> None:
        """Restore a copied state; the next steps are the same as without the interruption.

        Raises:
            ValueError: The state has another number of copies or another crossing.
        """
        if whole_number_from(state, "n_envs") != self.num_envs:
            raise ValueError(f"the state holds {state['n_envs']} environments, expected {self.num_envs}")
        if dict(branch_from(state, "settings")) != self.settings.describe():
            raise ValueError("the state was taken from a crossing with other settings")
        self._seed = whole_number_from(state, "seed")
        self._next_seed = whole_number_from(state, "next_seed")
        self._episode = whole_number_from(state, "episode")
        self._actions = array_from(state, "actions", like=self._actions)
        self._returns = array_from(state, "returns", like=self._returns)
        self._simulation = self._new_simulation()
        self._simulation.set_state(branch_from(state, "simulation"))

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Select the stream of training scenarios from the next reset on; None keeps the current one.

        A new stream starts with its first episode.
        """
        if seed is not None:
            self._next_seed = seed
        return [self._next_seed] * self.num_envs

    def begin_stream(self, seed: int) -> None:
        """Let the next reset start the first episode of a stream, even if it is the current one."""
        self._seed, self._next_seed, self._episode = seed, seed, -1

    def close(self) -> None:
        """Do nothing: there are no resources to close."""

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """The attribute of the batch, repeated for each requested copy."""
        return [getattr(self, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute of the batch.

        Raises:
            ValueError: Only some copies are selected; all copies share their attributes.
        """
        if len(list(self._get_indices(indices))) != self.num_envs:
            raise ValueError("the copies of this environment share their attributes")
        setattr(self, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of the batch once; its result is repeated for each requested copy."""
        result = getattr(self, method_name)(*method_args, **method_kwargs)
        return [result for _ in self._get_indices(indices)]

    def env_is_wrapped(
        self, wrapper_class: type[gymnasium.Wrapper[Any, Any, Any, Any]], indices: VecEnvIndices = None
    ) -> list[bool]:
        """False for every requested copy: copies are never wrapped."""
        return [False for _ in self._get_indices(indices)]
