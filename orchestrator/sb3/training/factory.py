"""Builds the model of a lineage, always from the spec and never by unpickling."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, cast

import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecEnv, unwrap_vec_normalize

from orchestrator.kernel.outcome import SessionRefused
from orchestrator.sb3.algorithms.hyperparameters import (
    A2cHyperParameters,
    DqnHyperParameters,
    HyperParameters,
    PpoHyperParameters,
    QrDqnHyperParameters,
    ReplayHyperParameters,
    RolloutHyperParameters,
    SacHyperParameters,
    Td3HyperParameters,
)
from orchestrator.sb3.algorithms.schedules import (
    AbsoluteStepA2C,
    AbsoluteStepDQN,
    AbsoluteStepPPO,
    AbsoluteSteps,
    AbsoluteStepSAC,
    AbsoluteStepTD3,
)
from orchestrator.sb3.envs.wrappers import acts_through, with_layers
from orchestrator.sb3.training.training_spec import Lineage

DEVICES = ("cpu", "cuda", "auto")


def prepare_torch(device: str, *, warn_only: bool = False) -> str:
    """Make torch deterministic: one thread, deterministic algorithms; for the whole process.

    Args:
        device: `cpu`, `cuda`, or `auto` for cuda where there is one.
        warn_only: Only warn where torch has no deterministic algorithm.

    Returns:
        The device to train on, `cpu` or `cuda`.

    Raises:
        SessionRefused: The spec asks for cuda on a machine without it. Another device is never used silently.
        ValueError: The device is unknown.
    """
    if device not in DEVICES:
        raise ValueError(f"spec.device is {device!r}; known are {', '.join(DEVICES)}")
    if device == "cuda" and not torch.cuda.is_available():
        raise SessionRefused("the spec asks for cuda, but this machine has no GPU that torch can use")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda":
        # cuBLAS is only deterministic with a fixed workspace, set before its first call.
        # Source: https://docs.nvidia.com/cuda/cublas/#results-reproducibility
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True, warn_only=warn_only)
    return device


def build_model(lineage: Lineage, env: VecEnv, *, device: str) -> BaseAlgorithm:
    """Build the untrained model of a lineage; seeds every generator from the lineage's seed.

    Args:
        lineage: The lineage.
        env: The task's environment; the layers that the lineage declares are added here.
        device: `cpu` or `cuda`.

    Raises:
        ValueError: `env` has another number of environments than the lineage declares.
    """
    wanted = lineage.hyper_parameters
    if env.num_envs != wanted.n_envs:
        raise ValueError(f"{env.num_envs} environments were built, the lineage declares {wanted.n_envs}")
    layered = with_layers(env, wanted)
    kind, arguments = _kind_of(wanted, layered)
    policy = {"net_arch": list(lineage.network), **arguments.pop("policy_kwargs", {})}
    model = kind(
        "MlpPolicy",
        env=layered,
        learning_rate=wanted.learning_rate.as_schedule(wanted.horizon_steps),
        gamma=wanted.gamma,
        policy_kwargs=policy,
        seed=lineage.seed,
        device=device,
        verbose=0,
        **arguments,
    )
    cast(AbsoluteSteps, model).horizon_steps = wanted.horizon_steps
    # Without a logger, every `learn` would leave an empty folder in the system's temporary folder. This one writes
    # nothing and is never read, so it is not part of the state.
    model.set_logger(Logger(folder=None, output_formats=[]))
    _name_layers(model, layered)
    return model


def _name_layers(model: BaseAlgorithm, env: VecEnv) -> None:
    """Name the layers in the zip if observations are normalized, as an attribute that a plain load restores.

    The statistics lie in a file beside the zip; the attribute shows that they are needed if the zip is copied alone.
    """
    layer = unwrap_vec_normalize(env)
    if layer is not None and layer.norm_obs:
        cast(Any, model).acts_through = list(acts_through(env))


def _kind_of(wanted: HyperParameters, env: VecEnv) -> tuple[Callable[..., BaseAlgorithm], dict[str, Any]]:
    """The algorithm's class, and the arguments that not every algorithm has."""
    match wanted:
        case QrDqnHyperParameters():
            from orchestrator.sb3.algorithms.qrdqn import AbsoluteStepQRDQN

            quantiles = {"policy_kwargs": {"n_quantiles": wanted.n_quantiles}}
            return AbsoluteStepQRDQN, {**_of_q_learning(wanted), **quantiles}
        case DqnHyperParameters():
            return AbsoluteStepDQN, _of_q_learning(wanted)
        case PpoHyperParameters():
            own = {"batch_size": wanted.batch_size, "n_epochs": wanted.n_epochs, "clip_range": wanted.clip_range}
            return AbsoluteStepPPO, {**_of_rollouts(wanted), **own}
        case A2cHyperParameters():
            own = {"vf_coef": wanted.vf_coef, "normalize_advantage": wanted.normalize_advantage}
            return AbsoluteStepA2C, {**_of_rollouts(wanted), **own}
        case SacHyperParameters():
            return AbsoluteStepSAC, {**_of_replay(wanted), "tau": wanted.tau, "ent_coef": wanted.ent_coef}
        case Td3HyperParameters():
            return AbsoluteStepTD3, {**_of_replay(wanted), **_of_td3(wanted, env)}
    raise ValueError(f"no algorithm is registered for {type(wanted).__name__}")


def _of_replay(wanted: ReplayHyperParameters) -> dict[str, Any]:
    names = ("batch_size", "buffer_size", "learning_starts", "train_freq", "gradient_steps")
    return {name: getattr(wanted, name) for name in names}


def _of_rollouts(wanted: RolloutHyperParameters) -> dict[str, Any]:
    return {"n_steps": wanted.n_steps, "gae_lambda": wanted.gae_lambda, "ent_coef": wanted.ent_coef}


def _of_td3(wanted: Td3HyperParameters, env: VecEnv) -> dict[str, Any]:
    (n_actions,) = env.action_space.shape or (1,)
    return {
        "tau": wanted.tau,
        "policy_delay": wanted.policy_delay,
        "target_policy_noise": wanted.target_policy_noise,
        "target_noise_clip": wanted.target_noise_clip,
        "action_noise": wanted.action_noise.build(n_envs=wanted.n_envs, n_actions=n_actions),
    }


def _of_q_learning(wanted: DqnHyperParameters) -> dict[str, Any]:
    return {
        **_of_replay(wanted),
        "target_update_interval": wanted.target_update_interval,
        "exploration_initial_eps": wanted.exploration.start,
        "exploration_final_eps": wanted.exploration.end,
        "exploration_fraction": wanted.exploration.fraction_of(wanted.horizon_steps),
    }
