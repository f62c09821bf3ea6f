"""Learning end to end: stable-baselines3 on our environment, and matching settings for a peer's single environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from orchestrator.kernel.algorithms.hyperparameters import read_hyper_parameters
from orchestrator.sb3.training.factory import build_model, prepare_torch
from orchestrator.sb3.training.training_spec import Lineage
from tests.bench.rounds import Candidate, keep_busy
from tests.bench.task import ENVIRONMENT
from validation_ch7.traffic.env.vec_env import TrafficSignalVecEnv

CARD = Path(__file__).parents[2] / "configs/sections/section_7_6.yaml"
DECISIONS_PER_CALL = {"PPO": 8192, "DQN": 2000}
"""Decisions in one timed call of `learn`: whole rollouts."""


def card_settings() -> dict[str, dict[str, Any]]:
    """Settings of each algorithm in the section's card."""
    algorithms: dict[str, dict[str, Any]] = yaml.safe_load(CARD.read_text(encoding="utf-8"))["algorithms"]
    return algorithms


def ours(algorithm: str) -> Candidate:
    """Training as in the section, in its steady state: buffers are filled and code is compiled."""
    block = card_settings()[algorithm]
    lineage = Lineage(
        section="bench",
        environment=ENVIRONMENT,
        algorithm=algorithm,
        network=(64, 64),
        hyper_parameters=read_hyper_parameters(algorithm, block),
        seed=0,
    )
    env = TrafficSignalVecEnv(n_envs=block["n_envs"], seed=0, environment=ENVIRONMENT)
    model = build_model(lineage, env, device=prepare_torch("cpu"))
    model.learn(max(DECISIONS_PER_CALL[algorithm], block.get("learning_starts", 0)))

    def act() -> int:
        before = model.num_timesteps
        model.learn(DECISIONS_PER_CALL[algorithm], reset_num_timesteps=False)
        return int(model.num_timesteps - before)

    return keep_busy(act, 0.0001)


def for_one_environment() -> dict[str, dict[str, Any]]:
    """The same learners for a single environment, with as many gradient steps on as large batches per decision."""
    ppo, dqn = card_settings()["PPO"], card_settings()["DQN"]
    return {
        "PPO": {
            "n_steps": ppo["batch_size"],
            "learning_rate": ppo["learning_rate"]["start"],
            **{key: ppo[key] for key in ("batch_size", "n_epochs", "gamma", "gae_lambda", "clip_range", "ent_coef")},
        },
        "DQN": {
            "train_freq": dqn["n_envs"] * dqn["train_freq"],
            "learning_rate": dqn["learning_rate"]["start"],
            "learning_starts": dqn["batch_size"],
            **{key: dqn[key] for key in ("batch_size", "buffer_size", "gamma", "gradient_steps")},
            "target_update_interval": dqn["target_update_interval"],
        },
    }
