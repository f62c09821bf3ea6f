"""The model that a script builds: checked, and given its safe boundary and a reproducible start."""

from __future__ import annotations

from collections.abc import Callable

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.noise import VectorizedActionNoise

from orchestrator.sb3.algorithms.candidates import give_boundary
from orchestrator.sb3.state.lazy_spaces import settle_spaces


def built_model(build: Callable[[], BaseAlgorithm]) -> BaseAlgorithm:
    """Build the untrained model, with what an exact resume needs from its start.

    Raises:
        TypeError: `build` is no function, or returns no model with an environment.
        ValueError: The model has been trained.
    """
    if isinstance(build, BaseAlgorithm) or not callable(build):
        raise TypeError('run.sb3 takes a function that builds the model: run.sb3(lambda: PPO("MlpPolicy", env))')
    model = build()
    if not isinstance(model, BaseAlgorithm):
        raise TypeError(f"the function of run.sb3 returned {type(model).__name__}, not a model of stable-baselines3")
    if model.env is None:
        raise TypeError("the function of run.sb3 returned a model without an environment: pass env=...")
    if model.num_timesteps:
        raise ValueError(
            f"the function of run.sb3 returned a model after {model.num_timesteps} steps; to start a new training from "
            "its weights, set model.num_timesteps = 0 in that function"
        )
    give_boundary(model)
    settle_spaces(model)
    noise = model.action_noise
    if noise is not None and model.n_envs > 1 and not isinstance(noise, VectorizedActionNoise):
        model.action_noise = VectorizedActionNoise(noise, model.n_envs)  # as `learn` does, but before a resume
    return model
