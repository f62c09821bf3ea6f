"""Logs of a training that is cut and killed hold what those of an uncut training hold, each line and point once."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import Any

import gymnasium
import pytest
from logged_trainings import Cut, evaluations, learning, objects, points, rows, session, straight_and_cut
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.callbacks import BaseCallback, CheckpointCallback, EvalCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecMonitor

from orchestrator.kernel.training.run import Run

SMALL: dict[str, Any] = {"policy_kwargs": {"net_arch": [4]}, "seed": 3}


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


class Notes(BaseCallback):
    """A user's own callback: a file that it holds open, one that it opens for each line, and recorded values."""

    def __init__(self) -> None:
        super().__init__()
        self.path = Path("notes.txt")
        self.seen = 0

    def _on_training_start(self) -> None:
        self.file = Path("steps.csv").open("w", encoding="utf-8")  # noqa: SIM115 - open until the process ends
        self.file.write("step\n")

    def _on_step(self) -> bool:
        self.seen += 1
        if self.seen % 20 == 0:
            self.file.write(f"{self.num_timesteps}\n")
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(f"{self.num_timesteps}\n")
        self.logger.record_mean("own/mean", float(self.seen))
        return True


def replaying(run: Run, cut: Cut) -> None:
    def build() -> DQN:
        env = VecMonitor(DummyVecEnv([lambda: gymnasium.make("CartPole-v1")] * 2), "monitor")
        return DQN("MlpPolicy", env, learning_starts=40, batch_size=8, train_freq=2, buffer_size=400, **SMALL)

    model = run.sb3(build)
    model.set_logger(configure("logs", ["csv", "json", "log", "tensorboard"]))
    callbacks = [Notes(), cut, run.callback]
    model.learn(run.remaining, callback=callbacks, log_interval=2, reset_num_timesteps=False)


def same_logs(straight: Path, cut: Path) -> None:
    assert points(cut) == points(straight)
    for tag, found in points(cut)["logs"].items():
        steps = [step for step, _ in found]
        assert steps == sorted(set(steps)), tag
    assert len(points(cut)["logs"]["rollout/ep_rew_mean"]) > 5
    assert rows(cut / "logs/progress.csv") == rows(straight / "logs/progress.csv")
    assert objects(cut / "logs/progress.json") == objects(straight / "logs/progress.json")
    own = [(folder / "logs/log.txt").read_text("utf-8") for folder in (straight, cut)]
    assert own[0].count("| own/") == own[1].count("| own/") > 5 and own[1].count("Logging to logs") == 1
    assert rows(cut / "monitor.monitor.csv") == rows(straight / "monitor.monitor.csv")
    assert (cut / "monitor.monitor.csv").read_text("utf-8").count("#") == 1
    for name in ("steps.csv", "notes.txt"):
        assert (cut / name).read_bytes() == (straight / name).read_bytes(), name


def test_logs_of_every_format_and_files_of_own_callbacks_continue(tmp_path: Path) -> None:
    same_logs(*straight_and_cut(tmp_path, replaying))


@pytest.mark.prove
def test_logs_travel_with_the_checkpoints(tmp_path: Path) -> None:
    straight, folders = tmp_path / "straight", [tmp_path / str(number) for number in range(3)]
    assert session(straight, replaying) == 0
    cuts = ((120, signal.SIGTERM), 75), ((250, signal.SIGKILL), -9), (None, 0)
    for folder, (cut, code) in zip(folders, cuts, strict=True):
        assert session(folder, replaying, cut) == code
        following = tmp_path / str(int(folder.name) + 1)
        shutil.copytree(folder / "run/checkpoints", following / "run/checkpoints")
    same_logs(straight, folders[2])


def test_monitor_files_of_other_processes_continue(tmp_path: Path) -> None:
    def build() -> A2C:
        env = make_vec_env("CartPole-v1", 2, seed=3, monitor_dir="monitors", vec_env_cls=SubprocVecEnv)
        return A2C("MlpPolicy", env, n_steps=20, tensorboard_log="curves", **SMALL)

    folder, learn = tmp_path / "cut", learning(build, log_interval=3)
    assert session(folder, learn, (150, signal.SIGTERM)) == 75
    files = sorted((folder / "monitors").iterdir())
    before = [path.read_text("utf-8") for path in files]
    assert session(folder, learn, (250, signal.SIGKILL)) == -9
    assert session(folder, learn) == 0
    for path, content in zip(files, before, strict=True):
        after = path.read_text("utf-8")
        assert after.startswith(content) and len(after) > len(content) and after.count("#") == 1
        seconds = [float(line.rpartition(",")[2]) for line in after.splitlines()[2:]]
        assert seconds == sorted(seconds)
    assert [step for step, _ in points(folder)["curves/A2C_0"]["train/value_loss"]] == [120, 240, 360]


def test_another_training_has_its_own_folder_of_curves(tmp_path: Path) -> None:
    learn = learning(proximal)
    assert session(tmp_path, learn, folder=tmp_path / "one", target=64) == 0
    first = points(tmp_path / "curves")
    assert session(tmp_path, learn, (64, signal.SIGTERM), folder=tmp_path / "other") == 75
    assert session(tmp_path, learning(lambda: proximal()), folder=tmp_path / "third", target=64) == 0
    assert session(tmp_path, learn, folder=tmp_path / "other") == 0
    found = points(tmp_path / "curves")
    assert found["PPO_0"] == first["PPO_0"] and sorted(found) == ["PPO_0", "PPO_1", "PPO_2"]
    steps = [step for step, _ in found["PPO_1"]["train/loss"]]
    assert steps == sorted(set(steps)) and (steps[0], steps[-1]) == (64, 416)
    assert found["PPO_2"] == first["PPO_0"]
