"""`run.sb3`: cut anywhere and resumed, a training ends with the same bytes; what cannot be kept is named."""

from __future__ import annotations

import copy
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from sb3_contrib import ARS, QRDQN, TQC, TRPO, CrossQ, MaskablePPO, RecurrentPPO
from sb3_contrib.common.envs import InvalidActionEnvDiscrete
from stable_baselines3 import A2C, DDPG, DQN, PPO, SAC, TD3
from stable_baselines3.common.callbacks import BaseCallback, EvalCallback, StopTrainingOnMaxEpisodes
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.noise import NormalActionNoise, OrnsteinUhlenbeckActionNoise
from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack, VecNormalize
from stable_baselines3.her import HerReplayBuffer
from tiny_single import Goal, Images

import orchestrator
from orchestrator.kernel.training.run import Run
from orchestrator.sb3.state.npz_tree import read_state, same_state

CART, PENDULUM = "CartPole-v1", "Pendulum-v1"
SMALL = {"policy_kwargs": {"net_arch": [8, 8]}, "seed": 3}
ROLLOUT = {"n_steps": 32, **SMALL}
PROXIMAL = {"batch_size": 32, "n_epochs": 2, **ROLLOUT}
REPLAY = {"learning_starts": 40, "buffer_size": 200, "batch_size": 16, **SMALL}
NORMAL, ORNSTEIN = NormalActionNoise(np.zeros(1), np.ones(1)), OrnsteinUhlenbeckActionNoise(np.zeros(1), np.ones(1))
LSTM = {**PROXIMAL, "policy_kwargs": {"lstm_hidden_size": 4, "net_arch": [8]}}


ONE_LSTM = {"shared_lstm": True, "enable_critic_lstm": False}


def copied(arguments: dict[str, Any]) -> dict[str, Any]:
    """The library writes into `policy_kwargs`."""
    return copy.deepcopy(arguments)


CASES: dict[str, Callable[[], Any]] = {
    "PPO": lambda: PPO("MlpPolicy", gymnasium.make(CART), **copied(PROXIMAL)),
    "PPO with gSDE": lambda: PPO("MlpPolicy", PENDULUM, use_sde=True, sde_sample_freq=4, **copied(PROXIMAL)),
    "PPO with schedules": lambda: PPO(
        "MlpPolicy",
        make_vec_env(CART, 3),
        learning_rate=lambda left: 1e-2 * left,
        clip_range=_falling,
        **copied(PROXIMAL),
    ),
    "PPO normalized": lambda: PPO("MlpPolicy", VecNormalize(make_vec_env(PENDULUM, 2)), **copied(PROXIMAL)),
    "PPO stacked": lambda: PPO("MlpPolicy", VecFrameStack(make_vec_env(CART, 2), 3), **copied(PROXIMAL)),
    "PPO stacked by a wrapper": lambda: PPO("MlpPolicy", make_vec_env(_stacked, 2), **copied(PROXIMAL)),
    "PPO Acrobot": lambda: PPO("MlpPolicy", "Acrobot-v1", **copied(PROXIMAL)),
    "A2C": lambda: A2C("MlpPolicy", CART, **copied(SMALL)),
    "DQN": lambda: DQN("MlpPolicy", CART, target_update_interval=50, **copied(REPLAY)),
    "DQN n steps": lambda: DQN("MlpPolicy", CART, n_steps=3, **copied(REPLAY)),
    "DQN lean": lambda: DQN(
        "MlpPolicy",
        CART,
        optimize_memory_usage=True,
        replay_buffer_kwargs={"handle_timeout_termination": False},
        **copied(REPLAY),
    ),
    "SAC": lambda: SAC("MlpPolicy", PENDULUM, **copied(REPLAY)),
    "SAC with gSDE": lambda: SAC("MlpPolicy", PENDULUM, use_sde=True, train_freq=8, **copied(REPLAY)),
    "SAC normalized": lambda: SAC("MlpPolicy", VecNormalize(make_vec_env(PENDULUM, 2)), **copied(REPLAY)),
    "TD3": lambda: TD3("MlpPolicy", PENDULUM, action_noise=NORMAL, **copied(REPLAY)),
    "TD3 by episodes": lambda: TD3(
        "MlpPolicy", gymnasium.make(PENDULUM, max_episode_steps=40), **copied(REPLAY), **EPISODES
    ),
    "DDPG": lambda: DDPG("MlpPolicy", make_vec_env(PENDULUM, 2), action_noise=ORNSTEIN, **copied(REPLAY)),
    "QRDQN": lambda: QRDQN("MlpPolicy", CART, **copied(REPLAY)),
    "TQC": lambda: TQC("MlpPolicy", PENDULUM, **copied(REPLAY)),
    "TRPO": lambda: TRPO("MlpPolicy", CART, batch_size=32, **copied(ROLLOUT)),
    "CrossQ": lambda: CrossQ("MlpPolicy", PENDULUM, **copied(REPLAY)),
    "RecurrentPPO": lambda: RecurrentPPO("MlpLstmPolicy", CART, **copied(LSTM)),
    "RecurrentPPO with one LSTM": lambda: RecurrentPPO(
        "MlpLstmPolicy",
        PENDULUM,
        use_sde=True,
        **{
            **copied(LSTM),
            "policy_kwargs": {**LSTM["policy_kwargs"], "shared_lstm": True, "enable_critic_lstm": False},
        },
    ),
    "MaskablePPO": lambda: MaskablePPO(
        "MlpPolicy", InvalidActionEnvDiscrete(dim=8, n_invalid_actions=3), **copied(PROXIMAL)
    ),
    "ARS": lambda: ARS("MlpPolicy", CART, n_delta=2, delta_std=_slowly, **copied(SMALL)),
    "ARS normalized": lambda: ARS(
        "LinearPolicy",
        VecNormalize(make_vec_env(CART, 2, env_kwargs={"max_episode_steps": 12})),
        n_delta=2,
        n_top=1,
        seed=3,
    ),
    "dict of observations": lambda: DQN("MultiInputPolicy", Halves(), **copied(REPLAY)),
    "goals in hindsight": lambda: SAC(
        "MultiInputPolicy",
        DummyVecEnv([Goal, Goal]),
        replay_buffer_class=HerReplayBuffer,
        replay_buffer_kwargs={"n_sampled_goal": 2, "copy_info_dict": True},
        **copied(REPLAY),
    ),
    "images": lambda: PPO("CnnPolicy", VecFrameStack(make_vec_env(Images, 2), 2), **copied(PROXIMAL)),
    "images, lean": lambda: DQN(
        "CnnPolicy",
        make_vec_env(Images, 2),
        optimize_memory_usage=True,
        replay_buffer_kwargs={"handle_timeout_termination": False},
        **copied(REPLAY),
    ),
    "dict, normalized": lambda: PPO("MultiInputPolicy", VecNormalize(make_vec_env(Halves, 2)), **copied(PROXIMAL)),
}
EPISODES: dict[str, Any] = {"train_freq": (1, "episode")}


def _stacked() -> gymnasium.Env[Any, Any]:
    return gymnasium.wrappers.FlattenObservation(gymnasium.wrappers.FrameStackObservation(gymnasium.make(CART), 3))


def _falling(left: float) -> float:
    return 0.3 * left


def _slowly(left: float) -> float:
    return 0.05 + 0.05 * left


class SeededOnce(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Seeds its first reset itself; without a seed, gymnasium takes one from the system."""

    seeds: tuple[int | None, ...] = (7,)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        (seed, *_), self.seeds = (*self.seeds, None), ()
        return self.env.reset(seed=seed, options=options)


class Halves(gymnasium.Env[Any, Any]):
    """Two observations by name; state in plain attributes, a list of an object's rows, and a closure."""

    observation_space = gymnasium.spaces.Dict({"place": Box(-9, 9, (1,)), "time": Box(0, 1, (2,))})
    action_space = Discrete(2)

    def __init__(self) -> None:
        self.place, self.rows, self.kinds = 0.0, [np.zeros(2), np.zeros(2)], {3, 1}
        steps = [0]

        def count() -> int:
            steps[0] += 1
            return steps[0]

        self.count = count

    def _seen(self) -> dict[str, Any]:
        return {"place": np.array([self.place], np.float32), "time": self.rows[1].astype(np.float32)}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.place = float(self.np_random.normal())
        return self._seen(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.place += float(self.np_random.normal(0, 0.2)) + (0.3 if action else -0.3)
        self.rows[1] = np.full(2, self.count() % 7 / 7)
        self.rows.reverse()
        return self._seen(), -abs(self.place), abs(self.place) > 2, False, {}


_CUT: list[int] = []
"""Where the session is asked to stop; not in the callback, whose attributes a resume restores."""


class Cut(BaseCallback):
    """Asks the session to stop in the step after these."""

    def _on_step(self) -> bool:
        if _CUT and self.num_timesteps >= _CUT[0]:
            _CUT.clear()
            os.kill(os.getpid(), signal.SIGTERM)
        return True


def session(folder: Path, cut: int | None, learn: Callable[[Run, Cut], None], target: int = 400) -> int:
    """Run one session in this process; returns its exit code."""
    _CUT[:] = [] if cut is None else [cut]
    try:
        with orchestrator.session(target=target, seed=3, save_every=70, folder=folder) as run:
            learn(run, Cut())
    except SystemExit as end:
        assert isinstance(end.code, int)
        return end.code
    return 0


def learning(build: Callable[[], Any], *more: Callable[[], BaseCallback]) -> Callable[[Run, Cut], None]:
    def learn(run: Run, cut: Cut) -> None:
        model = run.sb3(build)
        np.random.random(5)  # as code does that builds further things
        callbacks = [cut, *(one() for one in more), run.callback]
        model.learn(run.remaining, callback=callbacks, reset_num_timesteps=False)

    return learn


def end_of(folder: Path) -> tuple[dict[str, Any], bytes, bytes]:
    """State, parameters and kept parts of the newest checkpoint."""
    stem = max(
        (path.name.removesuffix(".state.npz") for path in (folder / "checkpoints").glob("*.state.npz")),
        key=lambda stem: int(stem.split("_")[-2]),
    )
    state = read_state(folder / "checkpoints" / f"{stem}.state.npz")
    del state["provenance"]
    beside = (folder / "checkpoints" / f"{stem}{suffix}" for suffix in (".zip", ".kept.zip"))
    return (state, *(path.read_bytes() for path in beside))


def cards(folder: Path) -> dict[str, Any]:
    newest = max((folder / "checkpoints").glob("*_steps.json"), key=lambda path: int(path.stem.split("_")[-2]))
    card: dict[str, Any] = json.loads(newest.read_text(encoding="utf-8"))
    return card


@pytest.mark.parametrize("case", CASES)
def test_a_training_that_is_cut_ends_with_the_same_bytes(case: str, tmp_path: Path) -> None:
    learn, straight, cut = learning(CASES[case]), tmp_path / "straight", tmp_path / "cut"
    assert session(straight, None, learn) == 0
    assert [session(cut, at, learn) for at in (90, 220, None)] == [75, 75, 0]
    one, other = end_of(straight), end_of(cut)
    assert same_state(one[0], other[0]) and one[1:] == other[1:]
    card = cards(cut)
    assert {ancestor["continued"] for ancestor in card["ancestry"]} == {"exact"}
    assert card["identity"]["lost_state"] == [] and len(card["ancestry"]) > 2
    assert (straight / "outputs/progress.jsonl").read_bytes() == (cut / "outputs/progress.jsonl").read_bytes()


def test_without_a_seed_in_the_model_a_resume_is_exact_too(tmp_path: Path) -> None:
    def build() -> PPO:
        return PPO("MlpPolicy", SeededOnce(gymnasium.make(CART)), **{**copied(PROXIMAL), "seed": None})

    learn = learning(build)
    assert session(tmp_path / "straight", None, learn) == 0
    assert [session(tmp_path / "cut", at, learn) for at in (90, 220, None)] == [75, 75, 0]
    one, other = cards(tmp_path / "straight"), cards(tmp_path / "cut")
    assert one["identity"]["policy_digest"] == other["identity"]["policy_digest"]
    assert {ancestor["continued"] for ancestor in other["ancestry"]} == {"exact"}


def test_final_model_is_loaded_by_the_library_alone(tmp_path: Path) -> None:
    session(tmp_path, None, learning(CASES["PPO"]))
    (path,) = tmp_path.glob("*_final.zip")
    assert PPO.load(path).num_timesteps == 416


def test_callbacks_of_the_user_continue(tmp_path: Path) -> None:
    class Seen(EvalCallback):
        def _on_training_end(self) -> None:
            found.append((self.n_calls, self.best_mean_reward, list(self.evaluations_timesteps)))

    def build() -> Seen:
        logs = str(tmp_path / "logs")
        return Seen(make_vec_env(CART, 1, seed=5), eval_freq=50, n_eval_episodes=1, log_path=logs, verbose=0)

    found: list[Any] = []
    learn = learning(CASES["PPO"], build)
    session(tmp_path / "straight", None, learn)
    assert [session(tmp_path / "cut", at, learn) for at in (90, 220, None)] == [75, 75, 0]
    assert found[0] == found[1] and found[0][0] == 416 and len(found[0][2]) == 8
    assert end_of(tmp_path / "straight")[2] == end_of(tmp_path / "cut")[2]


def test_a_callback_that_ends_the_training_finishes_it(tmp_path: Path) -> None:
    learn = learning(CASES["PPO"], lambda: StopTrainingOnMaxEpisodes(2))
    assert session(tmp_path, None, learn) == 0
    before = cards(tmp_path)
    assert before["steps"] < 400 and "a callback ended" in before["identity"]["lost_state"][0]
    assert session(tmp_path, None, lambda run, cut: pytest.fail("not finished") if not run.finished else None) == 0


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (
            lambda: PPO("MlpPolicy", Opaque(gymnasium.make(CART)), **copied(PROXIMAL)),
            "Opaque.draws: an object of builtins",
        ),
        (lambda: Own("MlpPolicy", CART, **copied(PROXIMAL)), "Own.predictor: it is not among the parameters"),
    ],
    ids=["opaque", "own network"],
)
def test_what_cannot_be_kept_is_named_and_makes_the_resume_statistical(
    build: Callable[[], Any], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    learn = learning(build)
    assert session(tmp_path, 120, learn) == 75
    assert f"Not kept, so a resume is not exact: {named}" in capsys.readouterr().err
    assert session(tmp_path, None, learn) == 0
    assert f"Resume is statistical: the checkpoint could not keep everything: {named}" in capsys.readouterr().err
    assert "statistical" in {ancestor["continued"] for ancestor in cards(tmp_path)["ancestry"]}


class Opaque(gymnasium.Wrapper[Any, Any, Any, Any]):
    def __init__(self, env: Any) -> None:
        super().__init__(env)
        self.draws = iter(range(10**9))


class Own(PPO):
    def _setup_model(self) -> None:
        import torch

        super()._setup_model()
        self.predictor = torch.nn.Linear(2, 2)


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (lambda: A2C("MlpPolicy", CART, **copied(SMALL)), "model.algorithm: checkpoint=PPO, current=A2C"),
        (lambda: PPO("MlpPolicy", CART, **{**copied(PROXIMAL), "policy_kwargs": {"net_arch": [4]}}), "model.weights: "),
        (lambda: PPO("MlpPolicy", "Acrobot-v1", **copied(PROXIMAL)), "observation_space"),
        (
            lambda: PPO("MlpPolicy", CART, gamma=0.5, **copied(PROXIMAL)),
            "arguments.gamma: checkpoint=0.99, current=0.5",
        ),
        (
            lambda: PPO("MlpPolicy", make_vec_env(CART, 2), **copied(PROXIMAL)),
            "arguments.n_envs: checkpoint=1, current=2",
        ),
    ],
    ids=["algorithm", "network", "environment", "argument", "n_envs"],
)
def test_another_model_is_refused_by_name(
    other: Callable[[], Any], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert session(tmp_path, 120, learning(CASES["PPO"])) == 75
    assert session(tmp_path, None, learning(other)) == 2
    assert named in capsys.readouterr().err


def test_kept_parts_are_in_the_same_checkpoint(tmp_path: Path) -> None:
    def learn(run: Run, cut: Cut) -> None:
        model = run.sb3(CASES["PPO"])
        state = run.keep(sessions=0)
        state.sessions += 1
        totals.append(state.sessions)
        model.learn(run.remaining, callback=[cut, run.callback], reset_num_timesteps=False)

    totals: list[int] = []
    assert [session(tmp_path, at, learn) for at in (90, 220, None)] == [75, 75, 0]
    assert totals == [1, 2, 3]


def test_raised_target_is_exact_without_a_schedule_and_named_with_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for case, grade in (("PPO", "exact"), ("DQN", "statistical")):
        learn = learning(CASES[case])
        assert session(tmp_path / case, None, learn) == session(tmp_path / case, None, learn, target=600) == 0
        continued = {ancestor["continued"] for ancestor in cards(tmp_path / case)["ancestry"]}
        assert grade in continued and ("horizon_steps: checkpoint=400, current=600" in capsys.readouterr().err) is (
            grade != "exact"
        )


@pytest.mark.parametrize(
    ("learn", "fault", "named"),
    [
        (lambda run, cut: run.sb3(CASES["PPO"]()), TypeError, "run.sb3 takes a function that builds the model"),
        (lambda run, cut: run.sb3(lambda: 3), TypeError, "returned int, not a model"),
        (lambda run, cut: run.callback, RuntimeError, "call run.sb3 before"),
        (lambda run, cut: run.sb3(lambda: CASES["A2C"]().learn(5)), ValueError, "set model.num_timesteps = 0"),
        (
            lambda run, cut: run.sb3(CASES["A2C"]).learn(run.remaining, callback=run.callback),
            ValueError,
            "reset_num_timesteps=False",
        ),
        (lambda run, cut: (run.sb3(CASES["A2C"]), next(run.steps())), RuntimeError, "model.learn is the loop"),
        (lambda run, cut: (run.sb3(CASES["A2C"]), run.sb3(CASES["A2C"])), RuntimeError, "call run.sb3 once"),
    ],
    ids=["a model", "no model", "no callback yet", "trained", "reset", "two loops", "twice"],
)
def test_wrong_use_is_named(learn: Any, fault: type[Exception], named: str, tmp_path: Path) -> None:
    with pytest.raises(fault, match=named):
        session(tmp_path, None, learn)


@pytest.mark.parametrize("reset", [True, False])
def test_learn_without_the_callback_of_the_run_is_named(
    reset: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def learn(run: Run, cut: Cut) -> None:
        run.sb3(CASES["A2C"]).learn(20, reset_num_timesteps=reset)

    assert session(tmp_path, None, learn) == 1
    err = capsys.readouterr().err
    assert "0 of 400 steps are saved. run.callback was not used: model.learn(run.remaining, callback=run." in err


def test_without_a_target_and_with_another_kind_of_checkpoint_it_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit), orchestrator.session(folder=tmp_path / "none") as run:
        run.sb3(CASES["PPO"])
    err = capsys.readouterr().err
    assert "run.sb3 needs the steps of the whole training" in err and "target_steps in both profiles" in err
    assert session(tmp_path / "loop", None, lambda run, cut: [None for _ in run.steps(100)] and None) == 0
    assert session(tmp_path / "loop", None, learning(CASES["PPO"]), target=600) == 2
    assert "holds no model of run.sb3" in capsys.readouterr().err
    assert session(tmp_path / "model", 120, learning(CASES["PPO"])) == 75
    assert session(tmp_path / "model", None, lambda run, cut: [None for _ in run.steps()] and None) == 2
    assert "holds a model of run.sb3" in capsys.readouterr().err
