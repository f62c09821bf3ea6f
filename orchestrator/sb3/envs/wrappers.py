"""The layers of an environment as a model sees it: put around it, kept, and what of them cannot be kept.

What nobody can keep is not forgotten in silence: the checkpoint's card names it, a resume is then `statistical`
and begins new episodes, and a lineage that demands `exact` is refused before it trains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecEnvWrapper, VecMonitor, VecNormalize

from orchestrator.sb3.algorithms.hyperparameters import ContinuousHyperParameters, HyperParameters
from orchestrator.sb3.algorithms.normalization_state import capture_normalization, restore_normalization
from orchestrator.sb3.envs.discrete_to_box import SignActions
from orchestrator.sb3.envs.dummy_vec_env import (
    capture_singles,
    declared_of_singles,
    lost_of_singles,
    restore_singles,
    wrappers_of_singles,
)


def with_layers(env: VecEnv, wanted: HyperParameters) -> VecEnv:
    """An environment with the layers that its lineage declares, the normalization outermost."""
    if isinstance(wanted, ContinuousHyperParameters):
        env = SignActions(env)
    if wanted.normalize is not None:
        env = wanted.normalize.around(env, gamma=wanted.gamma)
    return env


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
class _Known:
    """A kind of layer whose state is known here."""

    capture: Callable[[Any], Any]
    restore: Callable[[Any, Any], None]


_KNOWN: Mapping[type[VecEnv], _Known] = {
    VecNormalize: _Known(capture=capture_normalization, restore=restore_normalization),
    VecMonitor: _Known(capture=_capture_monitor, restore=_restore_monitor),
    DummyVecEnv: _Known(capture=capture_singles, restore=restore_singles),
}
_OWN = _Known(capture=lambda layer: layer.get_state(), restore=lambda layer, tree: layer.set_state(tree))
_STATELESS = (SignActions,)


def acts_through(env: VecEnv) -> tuple[str, ...]:
    """Classes between a policy and its environment that change what it sees or what its actions mean, outermost first.

    A plain load of the model zip has none of them; whoever acts with the model puts them around the environment.
    Known layers that only watch are left out, and so is a normalization of rewards alone.
    """
    *around, innermost = _layers(env)
    found = [layer for layer in around if not isinstance(layer, VecMonitor)]
    names = [type(layer).__name__ for layer in found if not isinstance(layer, VecNormalize) or layer.norm_obs]
    if isinstance(innermost, DummyVecEnv):
        names += wrappers_of_singles(innermost)
    return tuple(names)


def lost_state(env: VecEnv) -> tuple[str, ...]:
    """What of an environment a checkpoint cannot keep, a sentence each; empty where it keeps everything."""
    found = list(_layers(env))
    unknown = [layer for layer in found if _knowledge(layer) is None and not isinstance(layer, _STATELESS)]
    lost = [f"{type(layer).__name__} has no get_state and set_state" for layer in unknown]
    innermost = found[-1]
    if isinstance(innermost, DummyVecEnv):
        lost += lost_of_singles(innermost)
    return tuple(lost)


def declared_non_finite(env: VecEnv) -> frozenset[str]:
    """Keys of the innermost environment's state that may hold NaN or an infinity.

    An environment declares them as a class attribute, `NON_FINITE_STATE = ("next_arrival_s",)`: a place where an
    infinity means something. Nothing else of a state may hold one, since training cannot go on from it.
    """
    innermost = list(_layers(env))[-1]
    if isinstance(innermost, DummyVecEnv):
        return declared_of_singles(innermost)
    return frozenset(getattr(type(innermost), "NON_FINITE_STATE", ()))


def capture_environment(env: VecEnv) -> Any:
    """State of the innermost environment, None if it has none to give."""
    innermost = list(_layers(env))[-1]
    known = _knowledge(innermost)
    return None if known is None else known.capture(innermost)


def restore_environment(env: VecEnv, tree: Any) -> None:
    """Put the innermost environment back where it was; nothing where it cannot be."""
    innermost = list(_layers(env))[-1]
    known = _knowledge(innermost)
    if known is not None and tree is not None:
        known.restore(innermost, tree)


def has_layers_to_keep(env: VecEnv) -> bool:
    """Whether something around the innermost environment has a state."""
    return bool(_kept_layers(env))


def capture_layers(env: VecEnv) -> list[dict[str, Any]]:
    """States of the layers around the innermost environment, outermost first."""
    return [{"kind": type(layer).__name__, "state": known.capture(layer)} for layer, known in _kept_layers(env)]


def restore_layers(env: VecEnv, trees: list[dict[str, Any]]) -> None:
    """Put the layers back.

    Raises:
        ValueError: There are other layers now.
    """
    kept = _kept_layers(env)
    now = [type(layer).__name__ for layer, _ in kept]
    if [tree["kind"] for tree in trees] != now:
        raise ValueError(f"layers of the environment: checkpoint={[tree['kind'] for tree in trees]}, current={now}")
    for (layer, known), tree in zip(kept, trees, strict=True):
        known.restore(layer, tree["state"])


def _kept_layers(env: VecEnv) -> list[tuple[VecEnv, _Known]]:
    *around, _ = _layers(env)
    pairs = [(layer, _knowledge(layer)) for layer in around]
    return [(layer, known) for layer, known in pairs if known is not None]


def _layers(env: VecEnv) -> Iterator[VecEnv]:
    """The environment from outside to inside."""
    yield env
    while isinstance(env, VecEnvWrapper):
        env = env.venv
        yield env


def _knowledge(layer: VecEnv) -> _Known | None:
    # By exact type: a subclass may remember more. And of the type, not of the object: a wrapper answers for what it
    # wraps when asked for an attribute that it lacks.
    if type(layer) in _KNOWN:
        return _KNOWN[type(layer)]
    own = hasattr(type(layer), "get_state") and hasattr(type(layer), "set_state")
    return _OWN if own else None
