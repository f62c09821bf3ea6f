"""The state of a training beside its weights and optimizer, captured and restored in sections.

Tests leave out one section at a time and check that the final policy then differs. A new algorithm or wrapper adds a
section and changes none.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from orchestrator.sb3.algorithms.action_noise import capture_noise, drifting_parts, restore_noise
from orchestrator.sb3.envs.wrappers import (
    capture_environment,
    capture_layers,
    has_layers_to_keep,
    lost_state,
    restore_environment,
    restore_layers,
)
from orchestrator.sb3.state import rng_state
from orchestrator.sb3.state.replay_buffer import capture_replay, restore_replay


class StatefulEnvironment(Protocol):
    """An environment whose state can be saved and restored at any step."""

    def get_state(self) -> dict[str, Any]:
        """Everything that its next steps depend on, as a tree for a state file."""
        ...

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore such a tree."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StateSection:
    """One part of a training's state.

    Attributes:
        name: Key in the tree.
        capture: Returns the part as a tree.
        restore: Restores the part from a tree.
        is_part_of: Whether a training has this part.
    """

    name: str
    capture: Callable[[BaseAlgorithm], Any]
    restore: Callable[[BaseAlgorithm, Any], None]
    is_part_of: Callable[[BaseAlgorithm], bool] = lambda model: True


def capture_state(model: BaseAlgorithm) -> dict[str, Any]:
    """Capture a training at a safe boundary, where no rollout and no update is half done.

    Returns:
        Section name -> tree; shares no memory with the model.

    Raises:
        ValueError: A part of the training is of a kind that cannot be captured.
    """
    return {section.name: section.capture(model) for section in sections_of(model)}


def restore_state(model: BaseAlgorithm, tree: Mapping[str, Any]) -> None:
    """Restore a captured state in a freshly built model whose weights are already loaded. Can be repeated.

    Raises:
        ValueError: A section is missing or unknown, or does not fit the model.
    """
    sections = sections_of(model)
    names = {section.name for section in sections}
    if set(tree) != names:
        raise ValueError(f"state sections differ from this code's: {', '.join(sorted(set(tree) ^ names))}")
    for section in sections:
        section.restore(model, tree[section.name])


def sections_of(model: BaseAlgorithm) -> tuple[StateSection, ...]:
    """The sections of this training."""
    return tuple(section for section in SECTIONS if section.is_part_of(model))


def environment_of(model: BaseAlgorithm) -> VecEnv:
    """The environment of a model, with all layers."""
    assert model.env is not None  # built with the model
    return model.env


def _restore_environment(model: BaseAlgorithm, tree: Any) -> None:
    env = environment_of(model)
    restore_environment(env, tree)
    if lost_state(env):  # not fully restored, so the last observation does not match the environment
        model._last_obs = None  # makes `learn` start new episodes


_COUNTERS = ("num_timesteps", "_n_updates", "_episode_num", "_n_calls")
# The progress is not saved: it is computed from the step counter before it is used.
_SCHEDULED = ("exploration_rate",)
_LAST = ("_last_obs", "_last_episode_starts")


def _capture_numbers(names: tuple[str, ...]) -> Callable[[BaseAlgorithm], dict[str, Any]]:
    # Attributes that an algorithm lacks are left out of its tree.
    return lambda model: {name.lstrip("_"): getattr(model, name) for name in names if hasattr(model, name)}


def _restore_numbers(names: tuple[str, ...]) -> Callable[[BaseAlgorithm, Mapping[str, Any]], None]:
    def restore(model: BaseAlgorithm, tree: Mapping[str, Any]) -> None:
        for name in names:
            if hasattr(model, name):
                setattr(model, name, tree[name.lstrip("_")])

    return restore


def _capture_last(model: BaseAlgorithm) -> dict[str, Any]:
    return {name.lstrip("_"): _copied(getattr(model, name)) for name in _last_of(model)}


def _restore_last(model: BaseAlgorithm, tree: Mapping[str, Any]) -> None:
    for name in _last_of(model):
        setattr(model, name, _copied(tree[name.lstrip("_")]))


def _last_of(model: BaseAlgorithm) -> tuple[str, ...]:
    # A replay buffer holds raw observations; with a normalization, the algorithm also keeps the newest raw one.
    raw = isinstance(model, OffPolicyAlgorithm) and model.get_vec_normalize_env() is not None
    return (*_LAST, "_last_original_obs") if raw else _LAST


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copied(item) for name, item in value.items()}
    return value.copy() if isinstance(value, np.ndarray) else value


def _capture_statistics(model: BaseAlgorithm) -> dict[str, Any]:
    # "t" is the wall time at which an episode ended; it differs between repeated runs, so it is left out.
    episodes = model.ep_info_buffer or ()
    timeless = [{name: _number(episode[name]) for name in episode if name != "t"} for episode in episodes]
    return {"episodes": timeless, "successes": [_number(success) for success in model.ep_success_buffer or ()]}


def _number(value: Any) -> Any:
    # A monitor gives numpy scalars; a state file returns Python's numbers.
    return value.item() if isinstance(value, np.generic) else value


def _restore_statistics(model: BaseAlgorithm, tree: Mapping[str, Any]) -> None:
    window = model._stats_window_size
    model.ep_info_buffer = deque(tree["episodes"], maxlen=window)
    model.ep_success_buffer = deque(tree["successes"], maxlen=window)


def _replay_buffer(model: BaseAlgorithm) -> ReplayBuffer:
    assert isinstance(model, OffPolicyAlgorithm) and model.replay_buffer is not None  # built with the model
    return model.replay_buffer


def _action_noise(model: BaseAlgorithm) -> ActionNoise | None:
    return getattr(model, "action_noise", None)


SECTIONS: tuple[StateSection, ...] = (
    StateSection(name="counters", capture=_capture_numbers(_COUNTERS), restore=_restore_numbers(_COUNTERS)),
    StateSection(name="schedules", capture=_capture_numbers(_SCHEDULED), restore=_restore_numbers(_SCHEDULED)),
    StateSection(name="last", capture=_capture_last, restore=_restore_last),
    StateSection(name="episode_statistics", capture=_capture_statistics, restore=_restore_statistics),
    StateSection(
        name="replay_buffer",
        capture=lambda model: capture_replay(_replay_buffer(model)),
        restore=lambda model, tree: restore_replay(_replay_buffer(model), tree),
        is_part_of=lambda model: isinstance(model, OffPolicyAlgorithm),
    ),
    StateSection(
        name="action_noise",
        capture=lambda model: capture_noise(_action_noise(model)),
        restore=lambda model, tree: restore_noise(_action_noise(model), tree),
        is_part_of=lambda model: bool(drifting_parts(_action_noise(model))),
    ),
    StateSection(
        name="layers",
        capture=lambda model: capture_layers(environment_of(model)),
        restore=lambda model, tree: restore_layers(environment_of(model), tree),
        is_part_of=lambda model: has_layers_to_keep(environment_of(model)),
    ),
    StateSection(
        name="environment",
        capture=lambda model: capture_environment(environment_of(model)),
        restore=_restore_environment,
    ),
    StateSection(
        name="action_space_rng",
        capture=lambda model: rng_state.capture_space(model.action_space),
        restore=lambda model, tree: rng_state.restore_space(model.action_space, tree),
    ),
    StateSection(
        name="python_rng",
        capture=lambda model: rng_state.capture_python(),
        restore=lambda model, tree: rng_state.restore_python(tree),
    ),
    StateSection(
        name="numpy_rng",
        capture=lambda model: rng_state.capture_numpy(),
        restore=lambda model, tree: rng_state.restore_numpy(tree),
    ),
    StateSection(
        name="torch_rng",
        capture=lambda model: rng_state.capture_torch(),
        restore=lambda model, tree: rng_state.restore_torch(tree),
    ),
)
