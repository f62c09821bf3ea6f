"""A model as its lineage describes it, always built from the spec and never unpickled."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecEnv

from kernel_templates.kernel_runtime.endings import SessionRefused
from validation_ch7.learning.hyper_parameters import DqnHyperParameters, PpoHyperParameters, QrDqnHyperParameters
from validation_ch7.learning.plan import Lineage
from validation_ch7.learning.schedules import AbsoluteStepDQN, AbsoluteStepPPO

if TYPE_CHECKING:
    from validation_ch7.learning.quantile_dqn import AbsoluteStepQRDQN

DEVICES = ("cpu", "cuda", "auto")


def prepare_torch(device: str) -> str:
    """Make torch deterministic: one thread, deterministic algorithms; for the whole process.

    Args:
        device: `cpu`, `cuda`, or `auto` for cuda where there is one.

    Returns:
        The device to train on, `cpu` or `cuda`.

    Raises:
        SessionRefused: The spec asks for a device that is not here. Training elsewhere would be silent.
        ValueError: The device is none of these.
    """
    if device not in DEVICES:
        raise ValueError(f"spec.device is {device!r}; known are {', '.join(DEVICES)}")
    if device == "cuda" and not torch.cuda.is_available():
        raise SessionRefused("the spec asks for cuda, and this machine has none")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda":
        # cuBLAS is only deterministic with a fixed workspace, chosen before its first call.
        # Source: https://docs.nvidia.com/cuda/cublas/#results-reproducibility
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    return device


def build_model(lineage: Lineage, env: VecEnv, *, device: str) -> BaseAlgorithm:
    """Build the untrained model of a lineage; seeds every generator from the lineage's seed.

    Raises:
        ValueError: The environments are not as many as the lineage declares.
    """
    wanted = lineage.hyper_parameters
    if env.num_envs != wanted.n_envs:
        raise ValueError(f"{env.num_envs} environments were built, the lineage declares {wanted.n_envs}")
    common: dict[str, Any] = {
        "env": env,
        "learning_rate": wanted.learning_rate.as_schedule(wanted.horizon_steps),
        "batch_size": wanted.batch_size,
        "gamma": wanted.gamma,
        "seed": lineage.seed,
        "device": device,
        "verbose": 0,
    }
    model = _kind_of(lineage, common)
    model.horizon_steps = wanted.horizon_steps
    # Without one, every `learn` would leave an empty log folder in the system's temporary folder.
    model.set_logger(Logger(folder=None, output_formats=[]))
    return model


def _kind_of(lineage: Lineage, common: dict[str, Any]) -> AbsoluteStepDQN | AbsoluteStepPPO | AbsoluteStepQRDQN:
    wanted, policy = lineage.hyper_parameters, {"net_arch": list(lineage.network)}
    match wanted:
        case QrDqnHyperParameters():
            from validation_ch7.learning.quantile_dqn import AbsoluteStepQRDQN

            quantiles = {**policy, "n_quantiles": wanted.n_quantiles}
            return AbsoluteStepQRDQN("MlpPolicy", policy_kwargs=quantiles, **common, **_of_q_learning(wanted))
        case DqnHyperParameters():
            return AbsoluteStepDQN("MlpPolicy", policy_kwargs=policy, **common, **_of_q_learning(wanted))
        case PpoHyperParameters():
            return AbsoluteStepPPO(
                "MlpPolicy",
                policy_kwargs=policy,
                n_steps=wanted.n_steps,
                n_epochs=wanted.n_epochs,
                gae_lambda=wanted.gae_lambda,
                clip_range=wanted.clip_range,
                ent_coef=wanted.ent_coef,
                **common,
            )
    raise ValueError(f"nothing here builds {lineage.algorithm}")


def _of_q_learning(wanted: DqnHyperParameters) -> dict[str, Any]:
    return {
        "buffer_size": wanted.buffer_size,
        "learning_starts": wanted.learning_starts,
        "train_freq": wanted.train_freq,
        "gradient_steps": wanted.gradient_steps,
        "target_update_interval": wanted.target_update_interval,
        "exploration_initial_eps": wanted.exploration.start,
        "exploration_final_eps": wanted.exploration.end,
        "exploration_fraction": wanted.exploration.fraction_of(wanted.horizon_steps),
    }
