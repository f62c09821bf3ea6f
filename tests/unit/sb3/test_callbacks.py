"""Callbacks and schedules of a script over a cut: their counts go on, and a stop ends the training as finished."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import pytest
from logged_trainings import Cut, evaluations, learning, rows, session
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import (
    BaseCallback,
    CallbackList,
    CheckpointCallback,
    EvalCallback,
    EveryNTimesteps,
    StopTrainingOnMaxEpisodes,
    StopTrainingOnNoModelImprovement,
    StopTrainingOnRewardThreshold,
)
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

from orchestrator.kernel.training.run import Run

SMALL: dict[str, Any] = {
    **{"policy_kwargs": {"net_arch": [4]}, "seed": 3},
    **{"n_steps": 16, "batch_size": 16, "n_epochs": 1},
}


def ppo(**arguments: Any) -> PPO:
    return PPO("MlpPolicy", make_vec_env("CartPole-v1", 2, seed=3), **{**SMALL, **arguments})


def normalized() -> PPO:
    return PPO("MlpPolicy", VecNormalize(make_vec_env("Pendulum-v1", 2, seed=3)), **SMALL)


def evaluating(**more: Any) -> EvalCallback:
    env = VecNormalize(make_vec_env("Pendulum-v1", 1, seed=4, monitor_dir="."), training=False, norm_reward=False)
    folder = str(Path("logs").absolute())
    return EvalCallback(env, eval_freq=20, n_eval_episodes=1, deterministic=False, verbose=0, log_path=folder, **more)


def ends(root: Path, learn: Any, *cuts: tuple[int, int], capfd: pytest.CaptureFixture[str], **settings: Any) -> str:
    """Run sessions with these cuts and one to the end; returns what the last one printed."""
    for cut in cuts:
        assert session(root, learn, cut, **settings) in (75, -9)
    capfd.readouterr()
    assert session(root, learn, **settings) == 0
    out, err = capfd.readouterr()
    return out + err


STOPS: dict[str, tuple[Callable[[], Any], Callable[[], BaseCallback]]] = {
    "episodes": (ppo, lambda: StopTrainingOnMaxEpisodes(5)),
    "no improvement, nested": (
        normalized,
        lambda: CallbackList(
            [CallbackList([evaluating(callback_after_eval=StopTrainingOnNoModelImprovement(1, min_evals=2))])]
        ),
    ),
    "threshold": (normalized, lambda: evaluating(callback_on_new_best=StopTrainingOnRewardThreshold(-1100))),
}


PROVED = pytest.mark.prove


@pytest.mark.parametrize(
    "name", ["threshold", pytest.param("episodes", marks=PROVED), pytest.param("no improvement, nested", marks=PROVED)]
)
def test_a_stop_comes_at_the_same_step_and_finishes_the_training(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    build, callback = STOPS[name]
    learn = learning(build, callback)
    straight = ends(tmp_path / "straight", learn, capfd=capfd)
    cut = ends(tmp_path / "cut", learn, (40, signal.SIGTERM), (70, signal.SIGKILL), capfd=capfd)
    steps = straight.partition("Finished: ")[2].partition(" steps")[0]
    assert 70 < int(steps) < 400 and f"Finished: {steps} steps" in cut
    again = ends(tmp_path / "cut", learn, capfd=capfd)
    assert f"Finished: {steps} steps" in again and "step " not in again.partition("Finished")[0].replace("steps", "")
    if name != "episodes":
        found = [evaluations(folder / "logs/evaluations.npz") for folder in (tmp_path / "straight", tmp_path / "cut")]
        assert found[0] == found[1] and rows(tmp_path / "cut/0.monitor.csv") == rows(
            tmp_path / "straight/0.monitor.csv"
        )


def test_a_stop_is_not_refused_where_exact_resumes_are_required(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestrator.kernel.training import alone

    ticket = alone._ticket

    def exact(*arguments: Any) -> Any:
        made = ticket(*arguments)
        made.spec["resume_floor"] = "exact"
        return made

    monkeypatch.setattr(alone, "_ticket", exact)
    assert "Finished: " in ends(tmp_path, learning(ppo, lambda: StopTrainingOnMaxEpisodes(5)), capfd=capfd)


@pytest.mark.filterwarnings("ignore:rich is experimental")
def test_events_and_the_progress_bar_go_on(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    learn = learning(ppo, lambda: EveryNTimesteps(60, CheckpointCallback(1, "every")), progress_bar=True)
    ends(tmp_path / "straight", learn, capfd=capfd)
    shown = ends(tmp_path / "cut", learn, (90, signal.SIGTERM), (200, signal.SIGKILL), capfd=capfd)
    assert "Traceback" not in shown and "100%" in shown
    found = [sorted(path.name for path in (tmp_path / one / "every").iterdir()) for one in ("straight", "cut")]
    assert found[0] == found[1] and len(found[0]) > 5


class Waning:
    """A schedule with a memory: it falls with each call."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, remaining: float) -> float:
        self.calls += 1
        return 1e-2 / self.calls


def counted() -> Callable[[float], float]:
    calls = [0]

    def schedule(remaining: float) -> float:
        calls[0] += 1
        return 1e-2 / calls[0]

    return schedule


@pytest.mark.parametrize("schedule", [counted, pytest.param(Waning, marks=PROVED)])
def test_a_schedule_with_a_memory_goes_on(
    schedule: Callable[[], Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    seen = tmp_path / "rates.csv"

    class Rates(BaseCallback):
        def _on_step(self) -> bool:
            return True

        def _on_rollout_start(self) -> None:
            with seen.open("a", encoding="utf-8") as stream:
                stream.write(f"{self.num_timesteps} {self.model.policy.optimizer.param_groups[0]['lr']!r}\n")

    learn = learning(lambda: ppo(learning_rate=schedule()), Rates)
    ends(tmp_path / "straight", learn, capfd=capfd, target=160)
    straight = dict(line.split() for line in seen.read_text("utf-8").splitlines())
    seen.unlink()
    ends(tmp_path / "cut", learn, (70, signal.SIGTERM), capfd=capfd, target=160)
    cut = dict(line.split() for line in seen.read_text("utf-8").splitlines())
    assert cut == straight and len(set(straight.values())) > 3
    plain = ppo(learning_rate=schedule()).learn(160)
    rate = plain.policy.optimizer.param_groups[0]["lr"]
    (final,) = (tmp_path / "cut/run").glob("*_final.zip")
    resumed = PPO.load(final)
    assert resumed.policy.optimizer.param_groups[0]["lr"] == rate


class Tempering(BaseCallback):
    """Changes arguments of the algorithm as it trains."""

    def _on_step(self) -> bool:
        self.model.ent_coef = 0.1 / (1 + self.num_timesteps)
        self.model.gamma, self.model.target_kl = 0.98, 5.0
        return True


def weights_of(folder: Path) -> dict[str, Any]:
    (final,) = (folder / "run").glob("*_final.zip")
    return PPO.load(final).policy.state_dict()


def test_arguments_that_a_callback_changes_go_on(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    learn = learning(ppo, Tempering)
    ends(tmp_path / "straight", learn, capfd=capfd, target=160)
    shown = ends(tmp_path / "cut", learn, (70, signal.SIGTERM), (100, signal.SIGKILL), capfd=capfd, target=160)
    assert "Resume is" not in shown and "Loading checkpoint" in shown
    one, other = weights_of(tmp_path / "straight"), weights_of(tmp_path / "cut")
    assert all(one[name].equal(other[name]) for name in one)


class Replacing(BaseCallback):
    """Gives the algorithm another schedule."""

    def _on_step(self) -> bool:
        self.model.lr_schedule = lambda left: 1e-4
        return True


def test_a_schedule_that_a_callback_replaces_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shown = ends(tmp_path, learning(ppo, Replacing), (70, signal.SIGTERM), capfd=capfd, target=160)
    assert "Resume is statistical: the checkpoint could not keep everything: PPO.lr_schedule: it was replaced" in shown


class Annealing(BaseCallback):
    """Computes its own schedule from the steps of the whole training."""

    def _on_step(self) -> bool:
        self.model.ent_coef = 0.01 * (1 - self.num_timesteps / 2 / self.model._total_timesteps)
        return True


@pytest.mark.parametrize(
    ("learn", "line"),
    [
        (learning(lambda: ppo(clip_range=lambda left: 0.2 if left > 0.37 else 0.1)), "horizon_steps: checkpoint=160"),
        (learning(ppo, Annealing), "Annealing reads the steps of the whole training: checkpoint=160, current=240"),
        (
            learning(ppo, lambda: EveryNTimesteps(20, Annealing())),
            "Annealing reads the steps of the whole training: checkpoint=160, current=240",
        ),
    ],
    ids=["late step", "callback", "nested callback"],
)
def test_a_raised_target_names_what_follows_the_whole_training(
    learn: Any, line: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ends(tmp_path, learn, capfd=capfd, target=160)
    assert f"Resume is statistical: {line}" in ends(tmp_path, learn, capfd=capfd, target=240)


def test_the_callback_inside_another_one_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def learn(run: Run, cut: Cut) -> None:
        model = run.sb3(ppo)
        env = gymnasium.make("CartPole-v1")
        inside = EvalCallback(env, callback_after_eval=run.callback, warn=False)
        model.learn(run.remaining, callback=inside, reset_num_timesteps=False)

    assert session(tmp_path, learn) == 1
    assert "run.callback must be in the list that model.learn gets" in capfd.readouterr().err
