"""The trainings of the comparison, for programs of any of the environments, with RL Zoo's form of the same numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stable_baselines3 import A2C, DQN, PPO, SAC
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

SEED = 3
REPLAY = {"learning_starts": 100, "buffer_size": 2000, "batch_size": 32}


@dataclass(frozen=True)
class Training:
    """One training; it is cut at half of its steps.

    Attributes:
        kind: Class of stable-baselines3.
        steps: Target; half of it is a multiple of a rollout.
        arguments: Of the class.
        normalizes: Whether `VecNormalize` is around the environment.
    """

    kind: Any
    env_id: str
    steps: int
    arguments: dict[str, Any]
    n_envs: int = 1
    normalizes: bool = False

    def environment(self) -> Any:
        """A new environment."""
        env = make_vec_env(self.env_id, self.n_envs)
        return VecNormalize(env) if self.normalizes else env

    def build(self) -> Any:
        """An untrained model."""
        return self.kind("MlpPolicy", self.environment(), seed=SEED, device="cpu", **self._arguments())

    def _arguments(self) -> dict[str, Any]:
        return {"policy_kwargs": {"net_arch": [32, 32]}, **self.arguments}

    def zoo_entry(self) -> dict[str, Any]:
        """The training as an entry of RL Zoo's hyper-parameter files."""
        return {
            "n_timesteps": self.steps,
            "n_envs": self.n_envs,
            "policy": "MlpPolicy",
            "policy_kwargs": "dict(net_arch=[32, 32])",
            **self.arguments,
            **({"normalize": True} if self.normalizes else {}),
        }


TRAININGS = {
    "DQN": Training(DQN, "CartPole-v1", 3000, {**REPLAY, "target_update_interval": 200}),
    "PPO": Training(PPO, "CartPole-v1", 4096, {"n_steps": 128, "batch_size": 64, "n_epochs": 4}, n_envs=2),
    "SAC": Training(SAC, "Pendulum-v1", 1500, {**REPLAY}),
    "A2C + VecNormalize": Training(A2C, "Pendulum-v1", 4000, {"n_steps": 10}, n_envs=2, normalizes=True),
}
