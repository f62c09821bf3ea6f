"""The layers (wrappers) of an environment as a model sees it: added, captured, restored.

State that cannot be saved is listed in the checkpoint's card: a resume is then `statistical` and starts new episodes,
and a lineage that requires `exact` is refused before it trains.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecEnvWrapper, VecMonitor, VecNormalize

from orchestrator.kernel.session.context import SessionContext
from orchestrator.kernel.training.kept_state.environments import prepare_environments
from orchestrator.sb3.algorithms.normalization_state import capture_normalization, restore_normalization
from orchestrator.sb3.envs.attributes import Capture, Restore, is_ruled
from orchestrator.sb3.envs.discrete_to_box import SignActions
from orchestrator.sb3.envs.dummy_vec_env import (
    capture_singles,
    declared_of_singles,
    lost_of_singles,
    replace_in_singles,
    restore_singles,
    wrappers_of_singles,
)
from orchestrator.sb3.envs.environment_check import check_env, faults_of


def prepare_env(env: VecEnv, context: SessionContext) -> None:
    """Prepare an environment for its first step, and check that copies of it can be restored exactly.

    Raises:
        SessionRefused: The rule of an installed package cannot be loaded.
    """
    prepare_environments(env)
    if not lost_state(env):
        check_env(env, context)


def _capture_monitor(layer: VecMonitor) -> dict[str, Any]:
    return {
        "returns": layer.episode_returns.copy(),
        "lengths": layer.episode_lengths.copy(),
        "episodes": layer.episode_count,
    }


def _restore_monitor(layer: VecMonitor, tree: Mapping[str, Any]) -> None:
    layer.episode_returns = tree["returns"].copy()
    layer.episode_lengths = tree["lengths"].copy()
    layer.episode_count = tree["episodes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Access:
    """The functions that capture and restore one kind of layer."""

    capture: Callable[[Any], Any]
    restore: Callable[[Any, Any], None]


_KNOWN: Mapping[type[VecEnv], _Access] = {
    VecNormalize: _Access(capture=capture_normalization, restore=restore_normalization),
    VecMonitor: _Access(capture=_capture_monitor, restore=_restore_monitor),
    DummyVecEnv: _Access(capture=capture_singles, restore=restore_singles),
}
_OWN = _Access(capture=lambda layer: layer.get_state(), restore=lambda layer, tree: layer.set_state(tree))
_STATELESS = (SignActions,)


def acts_through(env: VecEnv) -> tuple[str, ...]:
    """Classes of the layers that change a policy's observations or actions, outermost first.

    A plain load of the model zip has none of them: to use the model, wrap the environment in them. Known passive
    layers, and a normalization of rewards only, are left out.
    """
    *around, innermost = _layers(env)
    found = [layer for layer in around if not isinstance(layer, VecMonitor)]
    names = [type(layer).__name__ for layer in found if not isinstance(layer, VecNormalize) or layer.norm_obs]
    if isinstance(innermost, DummyVecEnv):
        names += wrappers_of_singles(innermost)
    return tuple(names)


def lost_state(env: VecEnv) -> tuple[str, ...]:
    """State of an environment that a checkpoint cannot save, one sentence each; empty if it saves everything."""
    found = list(_layers(env))
    lost: list[str] = []
    for layer in found:
        if _is_by_attributes(layer):
            capture = Capture(_outside(env))
            capture.layer(layer)
            lost += capture.lost
    innermost = found[-1]
    if type(innermost) is DummyVecEnv:
        lost += lost_of_singles(innermost)
    return tuple(dict.fromkeys([*lost, *faults_of(env)]))


def declared_non_finite(env: VecEnv) -> frozenset[str]:
    """Keys of the innermost environment's state that may hold NaN or an infinity.

    An environment declares them as a class attribute, e.g. `NON_FINITE_STATE = ("next_arrival_s",)`, if an infinity
    is a valid value there. No other part of a state may hold one, since training could not continue from it.
    """
    innermost = list(_layers(env))[-1]
    if isinstance(innermost, DummyVecEnv):
        return declared_of_singles(innermost)
    return frozenset(getattr(type(innermost), "NON_FINITE_STATE", ()))


def capture_environment(env: VecEnv) -> Any:
    """State of the innermost environment, None if it cannot be captured; lost if the check found that it is wrong."""
    innermost = list(_layers(env))[-1]
    access = _access(innermost)
    if faults_of(env):
        return {"is": "lost"}
    return None if access is None else access.capture(innermost)


def restore_environment(env: VecEnv, tree: Any) -> None:
    """Restore the innermost environment, if its captured state is complete."""
    innermost = list(_layers(env))[-1]
    access = _access(innermost)
    if access is not None and tree is not None and is_complete(tree):
        access.restore(innermost, tree)


def give_own_space(env: VecEnv, space: gymnasium.Space[Any]) -> None:
    """Replace a space in the environments inside by a copy: they share it with the model, and did not when saved."""
    innermost = list(_layers(env))[-1]
    if isinstance(innermost, DummyVecEnv):
        replace_in_singles(innermost, space, copy.deepcopy(space))


def is_complete(tree: Any) -> bool:
    """Whether the captured state of an environment lacks nothing."""
    if isinstance(tree, dict):
        return tree.get("is") != "lost" and all(map(is_complete, tree.values()))
    return all(map(is_complete, tree)) if isinstance(tree, list) else True


def has_layers_to_keep(env: VecEnv) -> bool:
    """Whether a layer around the innermost environment has a state to save."""
    return bool(_stateful_layers(env))


def capture_layers(env: VecEnv) -> list[dict[str, Any]]:
    """States of the layers around the innermost environment, outermost first."""
    return [{"kind": type(layer).__name__, "state": access.capture(layer)} for layer, access in _stateful_layers(env)]


def restore_layers(env: VecEnv, trees: list[dict[str, Any]]) -> None:
    """Restore the layers around the innermost environment; one whose captured state is incomplete stays fresh.

    Raises:
        ValueError: The environment has other layers now.
    """
    stateful = _stateful_layers(env)
    now = [type(layer).__name__ for layer, _ in stateful]
    if [tree["kind"] for tree in trees] != now:
        raise ValueError(f"layers of the environment: checkpoint={[tree['kind'] for tree in trees]}, current={now}")
    for (layer, access), tree in zip(stateful, trees, strict=True):
        if is_complete(tree["state"]):
            access.restore(layer, tree["state"])


def _stateful_layers(env: VecEnv) -> list[tuple[VecEnv, _Access]]:
    *around, _ = _layers(env)
    pairs = [(layer, _access(layer)) for layer in around]
    return [(layer, access) for layer, access in pairs if access is not None]


def _layers(env: VecEnv) -> Iterator[VecEnv]:
    """The layers of an environment, outermost first."""
    yield env
    while isinstance(env, VecEnvWrapper):
        env = env.venv
        yield env


def _access(layer: VecEnv) -> _Access | None:
    # By exact type, since a subclass may have more state.
    if type(layer) in _KNOWN and not _is_by_attributes(layer):
        return _KNOWN[type(layer)]
    if _has_own_state(layer):
        return _OWN
    return _BY_ATTRIBUTES if _is_by_attributes(layer) else None


def _has_own_state(layer: VecEnv) -> bool:
    # On the type, not on the object, since a wrapper forwards attributes that it lacks to the environment inside.
    return not is_ruled(layer) and hasattr(type(layer), "get_state") and hasattr(type(layer), "set_state")


def _is_by_attributes(layer: VecEnv) -> bool:
    """Whether the state of a layer is captured by its attributes: it is of no known kind and has no methods for it."""
    if type(layer) is VecNormalize:
        statistics: Any = getattr(layer, "obs_rms", None)  # a dict for `Dict` observations
        return statistics is not None and not isinstance(statistics, RunningMeanStd)
    if is_ruled(layer):
        return True
    if type(layer) in _KNOWN or type(layer) in _STATELESS:
        return False
    return not _has_own_state(layer)


def _outside(env: VecEnv) -> dict[str, Any]:
    return {str(depth): layer for depth, layer in enumerate(_layers(env))}


def _capture_attributes(layer: VecEnv) -> dict[str, Any]:
    return Capture(_outside(layer)).layer(layer)


def _restore_attributes(layer: VecEnv, tree: Mapping[str, Any]) -> None:
    Restore(_outside(layer)).layer(layer, tree)


_BY_ATTRIBUTES = _Access(capture=_capture_attributes, restore=_restore_attributes)
