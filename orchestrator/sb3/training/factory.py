"""Builds the model of a lineage, always from the spec and never by unpickling."""

from __future__ import annotations

import os
from typing import Any, cast

import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecEnv, unwrap_vec_normalize

from orchestrator.kernel.outcome import SessionRefused
from orchestrator.sb3.algorithms.classes import absolute_step_class, library_class
from orchestrator.sb3.algorithms.schedules import AbsoluteSteps, horizon_of
from orchestrator.sb3.algorithms.words import constructor_arguments, recorded_defaults, require_known
from orchestrator.sb3.envs.layers import with_layers
from orchestrator.sb3.envs.wrappers import acts_through
from orchestrator.sb3.state.lazy_spaces import settle_spaces
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


def build_model(lineage: Lineage, env: VecEnv, *, device: str, target_steps: int | None = None) -> BaseAlgorithm:
    """Build the untrained model of a lineage; seeds every generator from the lineage's seed.

    Args:
        lineage: The lineage.
        env: The task's environment; the layers that the lineage declares are added here.
        device: `cpu` or `cuda`.
        target_steps: Of the whole training; a schedule that spans it ends there.

    Raises:
        ValueError: `env` has another number of environments than the lineage declares, or a schedule spans the whole
            training and `target_steps` is not given.
        SessionRefused: The installed library does not take an argument.
    """
    wanted = lineage.hyper_parameters
    if env.num_envs != wanted.n_envs:
        raise ValueError(f"{env.num_envs} environments were built, the lineage declares {wanted.n_envs}")
    layered = with_layers(env, wanted)
    horizon_steps = horizon_of(wanted, target_steps)
    given = constructor_arguments(
        wanted, lineage.network, layered, horizon_steps=horizon_steps, target_steps=target_steps
    )
    kind = absolute_step_class(wanted.algorithm)
    require_known(library_class(wanted.algorithm), wanted.algorithm, given)
    arguments = {**recorded_defaults(library_class(wanted.algorithm), wanted.algorithm), **given}
    try:
        model: BaseAlgorithm = kind(
            wanted.policy_name, env=layered, seed=lineage.seed, device=device, verbose=0, **arguments
        )
    except (AssertionError, TypeError, ValueError, NotImplementedError) as fault:
        raise SessionRefused(f"{wanted.algorithm} refuses its arguments or its environment: {fault}") from fault
    cast(AbsoluteSteps, model).horizon_steps = horizon_steps
    # Without a logger, every `learn` would leave an empty folder in the system's temporary folder. This one writes
    # nothing and is never read, so it is not part of the state.
    model.set_logger(Logger(folder=None, output_formats=[]))
    _name_layers(model, layered)
    settle_spaces(model)
    return model


def _name_layers(model: BaseAlgorithm, env: VecEnv) -> None:
    """Name the layers in the zip if observations are normalized, as an attribute that a plain load restores.

    The statistics lie in a file beside the zip; the attribute shows that they are needed if the zip is copied alone.
    """
    layer = unwrap_vec_normalize(env)
    if layer is not None and layer.norm_obs:
        cast(Any, model).acts_through = list(acts_through(env))
