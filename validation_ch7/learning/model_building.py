"""A model as its lineage describes it, always built from the spec and never unpickled."""

from __future__ import annotations

import os

import torch
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from kernel_templates.kernel_runtime.endings import SessionRefused
from validation_ch7.learning.plan import Lineage
from validation_ch7.learning.schedules import AbsoluteStepDQN

ALGORITHMS = ("DQN",)
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


def build_model(lineage: Lineage, env: VecEnv, *, device: str) -> OffPolicyAlgorithm:
    """Build the untrained model of a lineage; seeds every generator from the lineage's seed.

    Raises:
        ValueError: The algorithm is not one that can be continued exactly.
    """
    if lineage.algorithm != "DQN":
        raise ValueError(f"lineage.algorithm is {lineage.algorithm!r}; known are {', '.join(ALGORITHMS)}")
    wanted = lineage.hyper_parameters
    horizon_steps = wanted.horizon_steps
    if env.num_envs != wanted.n_envs:
        raise ValueError(f"{env.num_envs} environments were built, the lineage declares {wanted.n_envs}")
    model = AbsoluteStepDQN(
        "MlpPolicy",
        env,
        learning_rate=wanted.learning_rate.as_schedule(horizon_steps),
        buffer_size=wanted.buffer_size,
        learning_starts=wanted.learning_starts,
        batch_size=wanted.batch_size,
        gamma=wanted.gamma,
        train_freq=wanted.train_freq,
        gradient_steps=wanted.gradient_steps,
        target_update_interval=wanted.target_update_interval,
        exploration_initial_eps=wanted.exploration.start,
        exploration_final_eps=wanted.exploration.end,
        exploration_fraction=wanted.exploration.fraction_of(horizon_steps),
        policy_kwargs={"net_arch": list(lineage.network)},
        seed=lineage.seed,
        device=device,
        verbose=0,
    )
    model.horizon_steps = horizon_steps
    # Without one, every `learn` would leave an empty log folder in the system's temporary folder.
    model.set_logger(Logger(folder=None, output_formats=[]))
    return model
