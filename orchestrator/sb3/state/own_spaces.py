"""Spaces of a model that its environment shared when it was built, and replaced by others before it was saved."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import DummyVecEnv

from orchestrator.sb3.envs.wrappers import give_own_space
from orchestrator.sb3.state.npz_tree import same_state
from orchestrator.sb3.state.rng_state import (
    capture_generator,
    capture_space,
    parts_of_space,
    restore_generator,
    restore_space,
)

_SPACE = "own_space"


def capture_own_space(model: BaseAlgorithm) -> dict[str, Any]:
    """States of the generators of the observation space if the environment has another one; else an empty tree.

    A space without a generator gets none: it would take its seed from the system.
    """
    space, innermost = model.observation_space, model.env and model.env.unwrapped
    if not isinstance(innermost, DummyVecEnv) or innermost.observation_space is not space:
        return {}
    if innermost.envs[0].observation_space is space:
        return {}
    generators = [part._np_random for part in parts_of_space(space)]
    return {_SPACE: [one and capture_generator(one) for one in generators]}


class OwnSpaces:
    """The spaces of a model before its environment is restored, which changes those that it shares in place.

    Args:
        model: The model.
    """

    def __init__(self, model: BaseAlgorithm) -> None:
        self._model = model
        self._action, self._observation = _attributes(model.action_space), _attributes(model.observation_space)

    def separate(self, tree: Mapping[str, Any]) -> None:
        """Undo what the restored environment did to spaces of the model, where it had others when saved.

        Args:
            tree: The restored sections.
        """
        model = self._model
        if "environment" not in tree:
            return
        states = tree.get("action_space_rng")
        if states is not None and not same_state({"space": capture_space(model.action_space)}, {"space": states}):
            self._give_back(model.action_space, self._action)
            restore_space(model.action_space, states)
        states = tree.get("last", {}).get(_SPACE)
        if states is not None:
            self._give_back(model.observation_space, self._observation)
            for part, state in zip(parts_of_space(model.observation_space), states, strict=True):
                if state is None:
                    vars(part)["_np_random"] = None
                else:
                    restore_generator(part.np_random, state)

    def _give_back(self, space: gymnasium.Space[Any], before: list[dict[str, Any]]) -> None:
        assert self._model.env is not None  # built with the model
        give_own_space(self._model.env, space)
        for part, attributes in zip(parts_of_space(space), before, strict=True):
            vars(part).update(attributes)


def _attributes(space: gymnasium.Space[Any]) -> list[dict[str, Any]]:
    # Numbers, bounds, and the generator with its seed; the spaces inside follow as parts of their own.
    return [{name: _copied(value) for name, value in vars(part).items()} for part in parts_of_space(space)]


def _copied(value: Any) -> Any:
    return copy.deepcopy(value) if isinstance(value, np.ndarray | np.random.Generator) else value
