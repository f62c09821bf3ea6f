"""One short training with `run.sb3`, as a user writes it: `python train.py ALGORITHM ENVIRONMENT`.

`python -m tests.proofs` cuts it for every algorithm. It imports nothing of the tests, so that it runs in any folder.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from sb3_contrib import ARS, QRDQN, TQC, TRPO, CrossQ, MaskablePPO, RecurrentPPO
from stable_baselines3 import A2C, DDPG, DQN, PPO, SAC, TD3
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.noise import NormalActionNoise, OrnsteinUhlenbeckActionNoise
from stable_baselines3.common.vec_env import VecFrameStack, VecNormalize

import orchestrator

SMALL: dict[str, Any] = {"policy_kwargs": {"net_arch": [16]}, "seed": 3}
ROLLOUT: dict[str, Any] = {"n_steps": 32, **SMALL}
PROXIMAL: dict[str, Any] = {"batch_size": 32, "n_epochs": 2, **ROLLOUT}
REPLAY: dict[str, Any] = {"learning_starts": 60, "buffer_size": 200, "batch_size": 16, **SMALL}
LSTM: dict[str, Any] = {**PROXIMAL, "policy_kwargs": {"lstm_hidden_size": 8, "net_arch": [8]}}
EXPLORING: dict[str, Any] = {"learning_rate": 5e-3, "target_update_interval": 50, "exploration_final_eps": 0.99}
FRAMES: dict[str, Any] = {**REPLAY, "policy_kwargs": {"features_extractor_kwargs": {"features_dim": 16}}}


SHORT: dict[str, Any] = {"max_episode_steps": 60}
"""Several episodes end within the training."""


class Scored(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Calls every second episode a success."""

    episodes = 0

    def step(self, action: Any) -> Any:
        *seen, terminated, truncated, info = self.env.step(action)
        if terminated or truncated:
            self.episodes += 1
            info["is_success"] = self.episodes % 2 == 0
        return *seen, terminated, truncated, info


class Masked(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Forbids another action from step to step."""

    forbidden = 0

    def step(self, action: Any) -> Any:
        self.forbidden = (self.forbidden + 1) % 3
        return self.env.step(action)

    def action_masks(self) -> Any:
        return np.arange(self.action_space.n) != self.forbidden  # type: ignore[attr-defined]  # the space is discrete


def own(arguments: dict[str, Any]) -> dict[str, Any]:
    """A copy of keyword arguments; stable-baselines3 writes into `policy_kwargs`."""
    return copy.deepcopy(arguments)


def one(env_id: str, **more: Any) -> Any:
    """One environment with short episodes."""
    return Scored(gymnasium.make(env_id, **SHORT, **more))


def vector(env_id: str) -> Any:
    """Two of them."""
    return make_vec_env(lambda: one(env_id), 2)


def grid() -> Any:
    """MiniGrid's smallest room as a vector."""
    from minigrid.wrappers import FlatObsWrapper

    return FlatObsWrapper(gymnasium.make("MiniGrid-Empty-Random-5x5-v0"))


def frames() -> Any:
    """Pong in four stacked frames of 84 x 84."""
    import ale_py
    from stable_baselines3.common.atari_wrappers import AtariWrapper

    gymnasium.register_envs(ale_py)
    env = make_vec_env("ALE/Pong-v5", 1, wrapper_class=AtariWrapper, env_kwargs={"frameskip": 1})
    return VecFrameStack(env, 4)


def noise(env: gymnasium.Env[Any, Any], kind: Any) -> Any:
    """Action noise of a kind of stable-baselines3."""
    zeros = np.zeros(env.action_space.shape or ())
    return kind(zeros, zeros + 0.2)


def with_noise(algorithm: Any, env_id: str, kind: Any) -> Any:
    """An off-policy model with action noise."""
    env = one(env_id)
    return algorithm("MlpPolicy", env, action_noise=noise(env, kind), **own(REPLAY))


BUILDERS: dict[tuple[str, str], Callable[[], Any]] = {
    ("PPO", "CartPole-v1"): lambda: PPO("MlpPolicy", vector("CartPole-v1"), **own(PROXIMAL)),
    ("PPO", "HalfCheetah-v5"): lambda: PPO("MlpPolicy", one("HalfCheetah-v5"), use_sde=True, **own(PROXIMAL)),
    ("A2C", "Pendulum-v1"): lambda: A2C("MlpPolicy", VecNormalize(vector("Pendulum-v1")), **own(SMALL)),
    ("A2C", "MiniGrid-Empty"): lambda: A2C("MlpPolicy", grid(), **own(SMALL)),
    ("DQN", "CartPole-v1"): lambda: DQN("MlpPolicy", one("CartPole-v1"), **EXPLORING, **own(REPLAY)),
    ("DQN", "ALE/Pong-v5"): lambda: DQN("CnnPolicy", frames(), **own(FRAMES)),
    ("DDPG", "Pendulum-v1"): lambda: with_noise(DDPG, "Pendulum-v1", OrnsteinUhlenbeckActionNoise),
    ("DDPG", "InvertedPendulum-v5"): lambda: with_noise(DDPG, "InvertedPendulum-v5", NormalActionNoise),
    ("SAC", "Pendulum-v1"): lambda: SAC("MlpPolicy", one("Pendulum-v1"), **own(REPLAY)),
    ("SAC", "LunarLander-v3"): lambda: SAC("MlpPolicy", one("LunarLander-v3", continuous=True), **own(REPLAY)),
    ("TD3", "MountainCarContinuous-v0"): lambda: with_noise(TD3, "MountainCarContinuous-v0", NormalActionNoise),
    ("TD3", "Hopper-v5"): lambda: with_noise(TD3, "Hopper-v5", NormalActionNoise),
    ("QRDQN", "CartPole-v1"): lambda: QRDQN("MlpPolicy", one("CartPole-v1"), n_steps=3, **EXPLORING, **own(REPLAY)),
    ("QRDQN", "MiniGrid-Empty"): lambda: QRDQN("MlpPolicy", grid(), **own(REPLAY)),
    ("TQC", "Pendulum-v1"): lambda: TQC("MlpPolicy", one("Pendulum-v1"), use_sde=True, train_freq=8, **own(REPLAY)),
    ("TQC", "Swimmer-v5"): lambda: TQC("MlpPolicy", one("Swimmer-v5"), **own(REPLAY)),
    ("TRPO", "Acrobot-v1"): lambda: TRPO("MlpPolicy", one("Acrobot-v1"), batch_size=32, **own(ROLLOUT)),
    ("TRPO", "Reacher-v5"): lambda: TRPO("MlpPolicy", "Reacher-v5", batch_size=32, **own(ROLLOUT)),
    ("ARS", "CartPole-v1"): lambda: ARS("LinearPolicy", "CartPole-v1", n_delta=2, seed=3),
    ("ARS", "InvertedPendulum-v5"): lambda: ARS("LinearPolicy", "InvertedPendulum-v5", n_delta=2, seed=3),
    ("RecurrentPPO", "CartPole-v1"): lambda: RecurrentPPO("MlpLstmPolicy", one("CartPole-v1"), **own(LSTM)),
    ("RecurrentPPO", "MiniGrid-Empty"): lambda: RecurrentPPO("MlpLstmPolicy", grid(), **own(LSTM)),
    ("MaskablePPO", "Acrobot-v1"): lambda: MaskablePPO("MlpPolicy", Masked(one("Acrobot-v1")), **own(PROXIMAL)),
    ("MaskablePPO", "LunarLander-v3"): lambda: MaskablePPO("MlpPolicy", Masked(one("LunarLander-v3")), **own(PROXIMAL)),
    ("CrossQ", "Pendulum-v1"): lambda: CrossQ("MlpPolicy", one("Pendulum-v1"), **own(REPLAY)),
    ("CrossQ", "HalfCheetah-v5"): lambda: CrossQ("MlpPolicy", one("HalfCheetah-v5"), **own(REPLAY)),
}
"""Algorithm and environment -> builds the untrained model."""


def main() -> None:
    """Train or resume in this process."""
    build = BUILDERS[sys.argv[1], sys.argv[2]]
    with orchestrator.session(target=int(sys.argv[3]), seed=3, save_every=70) as run:
        model = run.sb3(build)
        model.learn(run.remaining, callback=run.callback, reset_num_timesteps=False)


if __name__ == "__main__":
    main()
