"""A small stochastic environment with memory, and the session around it, for tests of training."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from orchestrator.kernel.session.context import SessionContext
from orchestrator.kernel.session.deadline import SoftDeadline
from orchestrator.kernel.session.reporting import Reporter
from orchestrator.kernel.session.stop_flag import StopFlag
from orchestrator.kernel.wire import FileEntry, Ticket, digest_of, models_path
from orchestrator.sb3.algorithms.normalization import normalization_of
from orchestrator.sb3.envs.discrete_to_box import as_choices
from orchestrator.sb3.training.training_spec import Lineage, TrainingSpec
from orchestrator.sb3.training.training_state import Evaluation, Task

EPISODE_STEPS = 13
SECTION_DIR = "section_7_6_rl_performance"


class TinyVecEnv(VecEnv):
    """Noisy two-dimensional walks: the action pushes, the noise comes from the environment's own generator.

    Args:
        n_envs: Number of walks.
        seed: Seed of the noise.
        at_steps: `act` is called once after this many steps; tests use it to stop a session within an episode.
    """

    render_mode = None  # required by the base class

    def __init__(
        self, n_envs: int, seed: int, *, at_steps: int | None = None, act: Callable[[], None] | None = None
    ) -> None:
        box = gymnasium.spaces.Box(-np.inf, np.inf, (3,), np.float32)
        super().__init__(n_envs, box, gymnasium.spaces.Discrete(2))
        self._generator = np.random.default_rng(seed)
        self._place = np.zeros((n_envs, 2))
        self._clock = np.zeros(n_envs, dtype=np.int64)
        self._return = np.zeros(n_envs)
        self._actions = np.zeros(n_envs, dtype=np.int64)
        self._at_steps, self._act, self._made_steps = at_steps, act, 0

    def get_state(self) -> dict[str, Any]:
        return {
            "generator": self._generator.bit_generator.state,
            "place": self._place.copy(),
            "clock": self._clock.copy(),
            "return": self._return.copy(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        self._generator.bit_generator.state = state["generator"]
        self._place = state["place"].copy()
        self._clock = state["clock"].copy()
        self._return = state["return"].copy()

    def reset(self) -> np.ndarray:
        for walk in range(self.num_envs):
            self._begin(walk)
        return self._observation()

    def step_async(self, actions: np.ndarray) -> None:
        self._actions = actions

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        self._count()
        push = np.where(self._actions == 1, 0.5, -0.5)
        self._place[:, 1] = 0.8 * self._place[:, 1] + push + self._generator.normal(0, 0.3, self.num_envs)
        self._place[:, 0] += 0.2 * self._place[:, 1]
        reward = -np.abs(self._place[:, 0])
        self._return += reward
        self._clock += 1
        done = self._clock >= EPISODE_STEPS
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        last = self._observation()
        for walk in np.flatnonzero(done):
            episode = {"r": float(self._return[walk]), "l": int(self._clock[walk])}
            infos[walk] = {"terminal_observation": last[walk], "TimeLimit.truncated": True, "episode": episode}
            infos[walk]["is_success"] = bool(self._return[walk] > -EPISODE_STEPS)
            self._begin(int(walk))
        return self._observation(), reward.astype(np.float32), done, infos

    def _count(self) -> None:
        self._made_steps += self.num_envs
        if self._act is not None and self._at_steps is not None and self._made_steps >= self._at_steps:
            self._act()
            self._act = None

    def _begin(self, walk: int) -> None:
        self._place[walk] = self._generator.normal(0, 1, 2)
        self._clock[walk] = self._return[walk] = 0

    def _observation(self) -> np.ndarray:
        return np.column_stack([self._place, self._clock / EPISODE_STEPS]).astype(np.float32)

    def close(self) -> None:
        return None

    def seed(self, seed: int | None = None) -> list[int | None]:
        self._generator = np.random.default_rng(seed)
        return [seed] * self.num_envs

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        return [getattr(self, attr_name)] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        setattr(self, attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        return [getattr(self, method_name)(*args, **kwargs)]

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        return [False] * self.num_envs


def evaluate_greedily(model: BaseAlgorithm, lineage: Lineage) -> Evaluation:
    """Mean reward of one episode per walk in a separate environment with a fixed seed.

    Draws from the global generators on purpose, as a careless evaluation would.
    """
    np.random.rand(3)
    env, normalization = TinyVecEnv(lineage.hyper_parameters.selection_scenarios, seed=99), normalization_of(model)
    observation, total = env.reset(), 0.0
    for _ in range(EPISODE_STEPS):
        seen = observation if normalization is None else normalization(observation)
        actions, _ = model.predict(seen, deterministic=True)
        actions = as_choices(actions, model.action_space)
        observation, reward, _, _ = env.step(actions)
        total += float(reward.sum())
    mean = total / env.num_envs
    return Evaluation(score=mean, measures={"return_mean": mean})


def tiny_world(*, at_steps: int | None = None, act: Callable[[], None] | None = None) -> Task:
    return Task(
        build_env=lambda lineage: TinyVecEnv(lineage.hyper_parameters.n_envs, lineage.seed, at_steps=at_steps, act=act),
        evaluate=evaluate_greedily,
    )


_COMMON = {
    "n_envs": 4,
    "learning_rate": {"start": 5e-3, "end": 1e-3, "over_steps": 3000},
    "gamma": 0.97,
    "selection_scenarios": 5,
}
_REPLAY = {
    **_COMMON,
    "batch_size": 32,
    "buffer_size": 1200,
    "learning_starts": 100,
    "gradient_steps": 1,
    "train_freq": 1,
}
_Q_LEARNING = {
    **_REPLAY,
    "exploration": {"start": 1.0, "end": 0.2, "over_steps": 1500},
    "target_update_interval": 100,
}
_ROLLOUTS = {**_COMMON, "gae_lambda": 0.95, "ent_coef": 0.01}
_NORMALIZE = {"normalize": {"observations": True, "rewards": True}}
HYPER_PARAMETERS: dict[str, dict[str, Any]] = {
    "DQN": _Q_LEARNING,
    "QRDQN": {**_Q_LEARNING, "n_quantiles": 5},
    "PPO": {**_ROLLOUTS, "batch_size": 32, "n_steps": 16, "n_epochs": 2, "clip_range": 0.2},
    "A2C": {**_ROLLOUTS, **_NORMALIZE, "n_steps": 8, "vf_coef": 0.5, "normalize_advantage": True},
    "SAC": {**_REPLAY, **_NORMALIZE, "tau": 0.02, "ent_coef": "auto_0.5"},
    "TD3": {
        **_REPLAY,
        "tau": 0.02,
        "policy_delay": 2,
        "target_policy_noise": 0.2,
        "target_noise_clip": 0.5,
        "action_noise": {"kind": "ornstein_uhlenbeck", "sigma": 0.3, "theta": 0.15, "dt": 1.0},
    },
}


_CRITICS = {**_REPLAY, "tau": 0.02}
_CONTINUOUS = {"vec_env_wrapper": "orchestrator.sb3.envs.discrete_to_box.SignActions"}
_PROXIMAL = {**_ROLLOUTS, "batch_size": 32, "n_steps": 16, "n_epochs": 2}
_NAMED = {"policy": "MultiInputPolicy"}
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "DDPG": (
        "DDPG",
        {**_CRITICS, "action_noise": {"kind": "ornstein_uhlenbeck", "sigma": 0.3, "theta": 0.1, "dt": 1.0}},
    ),
    "TQC": ("TQC", {**_CRITICS, "policy_kwargs": {"n_quantiles": 5, "activation_fn": "elu"}}),
    "CrossQ": ("CrossQ", {**_REPLAY, "policy_kwargs": {"renorm_warmup_steps": 50}}),
    "TRPO": ("TRPO", {**_COMMON, "n_steps": 16, "batch_size": 32, "target_kl": 0.02}),
    "RecurrentPPO": ("RecurrentPPO", {**_PROXIMAL, "policy_kwargs": {"lstm_hidden_size": 4, "net_arch": []}}),
    "MaskablePPO": ("MaskablePPO", {**_PROXIMAL, "clip_range_vf": "lin_0.3"}),
    "ARS": (
        "ARS",
        {
            "n_envs": 1,
            "n_delta": 2,
            "zero_policy": False,
            "delta_std": "lin_0.1",
            "policy": "LinearPolicy",
            "normalize": True,
        },
    ),
    "PPO gSDE": ("PPO", {**_PROXIMAL, **_CONTINUOUS, "use_sde": True, "sde_sample_freq": 5}),
    "SAC gSDE": ("SAC", {**_CRITICS, "use_sde": True, "train_freq": 8, "target_entropy": -0.5}),
    "DQN n steps": ("DQN", {**_Q_LEARNING, "n_steps": 3}),
    "DQN lean": (
        "DQN",
        {
            **_REPLAY,
            "optimize_memory_usage": True,
            "replay_buffer_kwargs": {"handle_timeout_termination": False},
            "exploration_fraction": 1.0,
            "target_update_interval": 100,
        },
    ),
    "TD3 episodes": ("TD3", {**_CRITICS, "n_envs": 1, "train_freq": [2, "episode"], "gradient_steps": -1}),
    "QRDQN stacked": ("QRDQN", {**_Q_LEARNING, "frame_stack": 3, "policy_kwargs": {"n_quantiles": 5}}),
    "DQN named": ("DQN", {**_Q_LEARNING, **_NAMED}),
    "SAC hindsight": (
        "SAC",
        {**_CRITICS, **_NAMED, "replay_buffer_class": "HerReplayBuffer", "replay_buffer_kwargs": {"n_sampled_goal": 2}},
    ),
    "PPO images": ("PPO", {**_PROXIMAL, "policy": "CnnPolicy", "frame_stack": 2}),
}
"""Name of a case -> algorithm and hyper-parameters: the algorithms that no section uses, and further kinds of state."""


def spec_of(algorithm: str, **changes: Any) -> dict[str, Any]:
    """The tiny spec with another algorithm, or with a variant of one."""
    spec = tiny_spec(**changes)
    name, hyper_parameters = VARIANTS[algorithm] if algorithm in VARIANTS else (algorithm, HYPER_PARAMETERS[algorithm])
    spec["lineage"].update(algorithm=name, hyper_parameters=hyper_parameters)
    return spec


def tiny_spec(**changes: Any) -> dict[str, Any]:
    """A spec of one or two seconds of training; `changes` replace top-level keys."""
    spec = {
        "section": "section_7_6",
        "section_dir": SECTION_DIR,
        "entry_point": "validation_ch7.section_7_6_rl_performance.entry",
        "scenario": "traffic_light_control",
        "profile": "quick",
        "backend": "local",
        "lineage": {
            "section": "section_7_6",
            "environment": {"kind": "tiny"},
            "algorithm": "DQN",
            "network": [16, 16],
            "hyper_parameters": HYPER_PARAMETERS["DQN"],
            "seed": 7,
        },
        "target_steps": 2400,
        "checkpoint_every_steps": 1000,
        "evaluate_every_steps": 400,
        "evaluation_scenarios": 4,
        "deadline_s": None,
        "criteria": {"baseline": "fixed_time", "min_delay_reduction_pct": 10.0, "min_trainings": 10},
        "resume_floor": "exact",
        "device": "cpu",
    }
    # Through JSON, as in a real session.
    plain: dict[str, Any] = json.loads(json.dumps({**spec, **changes}))
    return plain


@dataclass(kw_only=True)
class TestBench:
    """The context of a session, its recorded output, and the flag that stops it."""

    __test__ = False

    context: SessionContext
    plan: TrainingSpec
    stop: StopFlag
    output: list[str] = field(default_factory=list)


def bench(
    working: Path,
    spec: dict[str, Any],
    *,
    session: int = 1,
    monotonic: Callable[[], float] | None = None,
    inputs: tuple[FileEntry, ...] = (),
    bundle_digest: str = "b" * 64,
) -> TestBench:
    """Build the context of one session; its clock advances a millisecond with every reading."""
    ticks = itertools.count()
    monotonic = monotonic or (lambda: next(ticks) / 1000)
    stop, output = StopFlag(), []

    def now() -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    context = SessionContext(
        ticket=ticket(spec, session=session, inputs=inputs, bundle_digest=bundle_digest),
        models_dir=models_path(working, SECTION_DIR),
        metrics_dir=working / SECTION_DIR / "data" / "metrics",
        figures_dir=working / SECTION_DIR / "figures",
        deadline=SoftDeadline(spec["deadline_s"], monotonic=monotonic, started_s=monotonic()),
        stop=stop,
        reporter=Reporter(working / "events.jsonl", echo=output.append, now=now, monotonic=monotonic),
        now=now,
        monotonic=monotonic,
    )
    return TestBench(context=context, plan=TrainingSpec.from_json(spec), stop=stop, output=output)


def ticket(
    spec: dict[str, Any], *, session: int = 1, inputs: tuple[FileEntry, ...] = (), bundle_digest: str = "b" * 64
) -> Ticket:
    return Ticket(
        run_id="run-1",
        session=session,
        attempt=1,
        nonce=f"nonce-{session}",
        section=spec["section"],
        section_dir=spec["section_dir"],
        lineage_id=digest_of(spec["lineage"]),
        spec=spec,
        spec_digest=digest_of(spec),
        bundle_digest=bundle_digest,
        inputs=inputs,
    )
