"""The state of a training beside its weights and optimizer, captured and restored in sections.

Tests leave out one section at a time and check that the final policy then differs. A new algorithm or wrapper adds a
section and changes none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from orchestrator.sb3.algorithms.action_noise import capture_noise, drifting_parts, restore_noise
from orchestrator.sb3.envs.attributes import Capture, Restore
from orchestrator.sb3.envs.wrappers import (
    capture_environment,
    capture_layers,
    has_layers_to_keep,
    is_complete,
    restore_environment,
    restore_layers,
)
from orchestrator.sb3.state import rng_state
from orchestrator.sb3.state.algorithm_state import (
    capture_buffer,
    capture_matrices,
    capture_own,
    has_known_noise,
    has_own_attributes,
    is_known_buffer,
    noise_distribution,
    outside_of,
    restore_buffer,
    restore_matrices,
    restore_own,
)
from orchestrator.sb3.state.own_spaces import OwnSpaces, capture_own_space
from orchestrator.sb3.state.progress_state import (
    COUNTERS,
    SCHEDULED,
    capture_last,
    capture_numbers,
    capture_statistics,
    restore_last,
    restore_numbers,
    restore_statistics,
)
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
    names = {section.name for section in sections_of(model)}
    if set(tree) != names:
        raise ValueError(f"state sections differ from this code's: {', '.join(sorted(set(tree) ^ names))}")
    restore_sections(model, tree)


def restore_sections(model: BaseAlgorithm, tree: Mapping[str, Any]) -> None:
    """Restore only these sections of a captured state.

    Raises:
        ValueError: One does not fit the model.
    """
    spaces = OwnSpaces(model)
    for section in sections_of(model):
        if section.name in tree:
            section.restore(model, tree[section.name])
    spaces.separate(tree)
    if "environment" in tree and not continues_episodes(tree):
        begin_new_episodes(model)


def begin_new_episodes(model: BaseAlgorithm) -> None:
    """Make `learn` start new episodes: the environment does not match the last observation."""
    model._last_obs = None
    if model.seed is not None:  # other episodes than at the start
        environment_of(model).seed(model.seed + model.num_timesteps)


def continues_episodes(tree: Mapping[str, Any]) -> bool:
    """Whether a captured state has the whole environment, so that its episodes go on."""
    return tree["environment"] is not None and is_complete(tree["environment"]) and is_complete(tree.get("layers"))


def sections_of(model: BaseAlgorithm) -> tuple[StateSection, ...]:
    """The sections of this training."""
    return tuple(section for section in SECTIONS if section.is_part_of(model))


def environment_of(model: BaseAlgorithm) -> VecEnv:
    """The environment of a model, with all layers."""
    assert model.env is not None  # built with the model
    return model.env


def _replay_buffer(model: BaseAlgorithm) -> ReplayBuffer:
    assert isinstance(model, OffPolicyAlgorithm) and model.replay_buffer is not None  # built with the model
    return model.replay_buffer


def _action_noise(model: BaseAlgorithm) -> ActionNoise | None:
    return getattr(model, "action_noise", None)


def _restore_environment(env: VecEnv, tree: Any) -> None:
    restore_environment(env, tree)
    if tree is not None and is_complete(tree):
        # The model's seed waits for the next reset, which in a continued training is no first one.
        env.unwrapped._reset_seeds()
        env.unwrapped._reset_options()


def _restore_other_noise(model: BaseAlgorithm, tree: Any) -> None:
    if is_complete(tree):
        model.action_noise = Restore(outside_of(model)).decode(tree, _action_noise(model))


SECTIONS: tuple[StateSection, ...] = (
    StateSection(name="counters", capture=capture_numbers(COUNTERS), restore=restore_numbers(COUNTERS)),
    StateSection(name="schedules", capture=capture_numbers(SCHEDULED), restore=restore_numbers(SCHEDULED)),
    StateSection(
        name="last",
        capture=lambda model: {**capture_last(model), **capture_own_space(model)},
        restore=restore_last,
    ),
    StateSection(name="episode_statistics", capture=capture_statistics, restore=restore_statistics),
    StateSection(
        name="replay_buffer",
        capture=lambda model: capture_replay(_replay_buffer(model)),
        restore=lambda model, tree: restore_replay(_replay_buffer(model), tree),
        is_part_of=lambda model: isinstance(model, OffPolicyAlgorithm) and is_known_buffer(model.replay_buffer),
    ),
    StateSection(
        name="other_replay_buffer",
        capture=capture_buffer,
        restore=restore_buffer,
        is_part_of=lambda model: isinstance(model, OffPolicyAlgorithm) and not is_known_buffer(model.replay_buffer),
    ),
    StateSection(
        name="action_noise",
        capture=lambda model: capture_noise(_action_noise(model)),
        restore=lambda model, tree: restore_noise(_action_noise(model), tree),
        is_part_of=lambda model: has_known_noise(model) and bool(drifting_parts(_action_noise(model))),
    ),
    StateSection(
        name="other_action_noise",
        capture=lambda model: Capture(outside_of(model)).encode(_action_noise(model), "action_noise"),
        restore=lambda model, tree: _restore_other_noise(model, tree),
        is_part_of=lambda model: not has_known_noise(model),
    ),
    StateSection(
        name="exploration_matrices",
        capture=capture_matrices,
        restore=restore_matrices,
        is_part_of=lambda model: noise_distribution(model) is not None,
    ),
    StateSection(name="own_attributes", capture=capture_own, restore=restore_own, is_part_of=has_own_attributes),
    # Before the environment, which may share the space: to read its generator creates it.
    StateSection(
        name="action_space_rng",
        capture=lambda model: rng_state.capture_space(model.action_space),
        restore=lambda model, tree: rng_state.restore_space(model.action_space, tree),
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
        restore=lambda model, tree: _restore_environment(environment_of(model), tree),
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
