"""A replay buffer of decisions whose both outcomes were predicted."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize

from validation_ch7.traffic.env.profile import N_FEATURES, mirrors
from validation_ch7.traffic.env.vec_env import SAVED


class PredictedChoices(ReplayBuffer):
    """Keeps only decisions with `saved_by_change` in their info, each as a row of its own.

    What one choice saves is what the other one loses. So half of a sample, chosen at random, has the other action and
    the opposite reward; and observations of the kind `profile` are mirrored at random. What follows a decision is part
    of its prediction, so each row is the end of an episode: `gamma` has no effect.
    """

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        device: torch.device | str = "auto",
        n_envs: int = 1,
        **settings: Any,
    ) -> None:
        super().__init__(buffer_size, observation_space, action_space, device, 1, **settings)
        (features,) = observation_space.shape or (0,)
        self._orders = torch.from_numpy(mirrors() if features == N_FEATURES else np.arange(features)[None])

    def add(
        self,
        obs: np.ndarray,
        next_obs: np.ndarray,
        action: np.ndarray,
        reward: np.ndarray,
        done: np.ndarray,
        infos: list[dict[str, Any]],
    ) -> None:
        """Add the predicted decisions of one step of all environments."""
        for place, info in enumerate(infos):
            if SAVED in info:
                row = slice(place, place + 1)
                super().add(obs[row], obs[row], action[row], reward[row], np.ones(1), [{}])

    def sample(self, batch_size: int, env: VecNormalize | None = None) -> ReplayBufferSamples:
        """Draw decisions; before the first one is kept, the empty crossing, where no choice saves anything."""
        if self.size() == 0:
            return self._get_samples(np.zeros(batch_size, dtype=np.int64), env)
        return super().sample(batch_size, env)

    def _get_samples(self, batch_inds: np.ndarray, env: VecNormalize | None = None) -> ReplayBufferSamples:
        drawn = super()._get_samples(batch_inds, env)
        other = torch.from_numpy(np.random.randint(0, 2, size=(len(batch_inds), 1))).to(self.device)
        order = self._orders[np.random.randint(len(self._orders))].to(self.device)
        return drawn._replace(
            observations=drawn.observations[:, order],
            actions=torch.where(other == 1, 1 - drawn.actions, drawn.actions),
            rewards=torch.where(other == 1, -drawn.rewards, drawn.rewards),
        )
