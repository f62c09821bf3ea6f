"""Logs of a training that is cut and killed hold what those of an uncut training hold, each line and point once."""

from __future__ import annotations

from pathlib import Path

import pytest
from logged_trainings import evaluations, learning, objects, points, rows, straight_and_cut
from stable_baselines3 import A2C, DQN, PPO, SAC
from stable_baselines3.common.callbacks import CheckpointCallback, EvalCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import SubprocVecEnv, VecMonitor

from orchestrator.kernel.training.run import Run

SMALL = {"policy_kwargs": {"net_arch": [4]}, "seed": 3}


def proximal() -> PPO:
    env = make_vec_env("CartPole-v1", 2, seed=3, monitor_dir="monitors")
    return PPO("MlpPolicy", env, n_steps=16, batch_size=16, n_epochs=1, tensorboard_log="curves", **SMALL)


def evaluated() -> EvalCallback:
    env = make_vec_env("CartPole-v1", 1, seed=5, monitor_dir="evaluated")
    folders = {"log_path": str(Path("evaluated").absolute()), "best_model_save_path": "best"}
    return EvalCallback(env, eval_freq=25, n_eval_episodes=2, verbose=0, **folders)


def test_curves_monitors_and_evaluations_continue(tmp_path: Path) -> None:
    straight, cut = straight_and_cut(
        tmp_path, learning(proximal, evaluated, lambda: CheckpointCallback(40, "saved"), log_interval=3)
    )
    assert points(cut / "curves") == points(straight / "curves") and list(points(cut / "curves")) == ["PPO_0"]
    curves = points(cut / "curves")["PPO_0"]
    assert [step for step, _ in curves["rollout/ep_rew_mean"]] == [96, 192, 288, 384]
    assert {"eval/mean_reward", "train/loss"} <= set(curves)
    for name in ("monitors/0.monitor.csv", "monitors/1.monitor.csv", "evaluated/0.monitor.csv"):
        assert rows(cut / name) == rows(straight / name) and len(rows(cut / name)) > 3, name
    assert evaluations(cut / "evaluated/evaluations.npz") == evaluations(straight / "evaluated/evaluations.npz")
    assert (cut / "evaluated/evaluations.npz").read_bytes() == (straight / "evaluated/evaluations.npz").read_bytes()
    best = [PPO.load(folder / "best/best_model.zip") for folder in (straight, cut)]
    assert best[0].num_timesteps == best[1].num_timesteps
    assert sorted(path.name for path in (cut / "saved").iterdir()) == sorted(
        path.name for path in (straight / "saved").iterdir()
    )
