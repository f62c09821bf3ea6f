"""What the spaces of gymnasium fill in late: two trainings of one seed must hold the same from their start."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gymnasium
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnvWrapper

from orchestrator.kernel.training.kept_state.objects.spaces import seed_spaces
from orchestrator.kernel.training.kept_state.processes import is_in_processes, seed_processes
from orchestrator.kernel.training.kept_state.visit import objects_in
from orchestrator.sb3.state.rng_state import parts_of_space


def settle_spaces(model: BaseAlgorithm) -> None:
    """Fill in the texts and the generators of a model's observation spaces.

    A network for images samples from its space, which then takes a seed from the system. A space of several parts
    keeps the text of its bounds when it is first described. Nothing learns from either, but a checkpoint holds both.
    """
    spaces = list({id(one): one for space in _spaces(model) for one in parts_of_space(space)}.values())
    seed_spaces([one for one in spaces if one._np_random is not None], model.seed or 0)
    for space in spaces:
        if not isinstance(space, gymnasium.spaces.Box):
            str(space)


def seed_inner_spaces(model: BaseAlgorithm) -> None:
    """Seed the generators of all spaces in the environments of a model with a seed, as `run.keep` does.

    `FrameStackObservation` copies the generator of a space, which then takes a seed from the system.
    """
    if model.seed is None:
        return
    found = objects_in(model.env)
    seed_spaces(found, model.seed)
    for env in found:
        if is_in_processes(env):
            seed_processes(env, model.seed)


def _spaces(model: BaseAlgorithm) -> Iterator[gymnasium.Space[Any]]:
    yield model.observation_space
    env = model.env
    while env is not None:
        yield env.observation_space
        env = env.venv if isinstance(env, VecEnvWrapper) else None
