"""Builds the model of a script, and refuses what cannot be trained."""

from __future__ import annotations

from collections.abc import Callable

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.noise import VectorizedActionNoise

from orchestrator.sb3.algorithms.candidates import give_boundary
from orchestrator.sb3.envs.arguments import describe_arguments
from orchestrator.sb3.state.lazy_spaces import settle_spaces


def built(build: Callable[[], BaseAlgorithm]) -> BaseAlgorithm:
    """The untrained model that the function of a script builds.

    Raises:
        TypeError: It is not a function, or it builds something else.
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
    describe_arguments(model.env)  # before training changes an attribute of that name
    give_boundary(model)
    settle_spaces(model)
    noise = model.action_noise
    if noise is not None and model.n_envs > 1 and not isinstance(noise, VectorizedActionNoise):
        model.action_noise = VectorizedActionNoise(noise, model.n_envs)  # as `learn` does, but before a resume
    return model
