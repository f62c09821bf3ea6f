"""The arguments that an environment and its wrappers were built with, so that a change of one is named.

A resume restores what the environment holds, so a changed argument of a script would be without effect.
"""

from __future__ import annotations

import inspect
import math
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv, VecEnvWrapper

from orchestrator.kernel.training.kept_state.rules.recording import InProcess

_NOT_COMPARED = frozenset(
    {"self", "env", "venv", "env_fns", "seed", "render_mode", "filename", "video_folder", "name_prefix", "training"}
)
"""Arguments that change no number, or that the state holds."""
_ATTRIBUTE = "_orchestrator_arguments"
_DESCRIBED: weakref.WeakKeyDictionary[VecEnv, dict[str, Any]] = weakref.WeakKeyDictionary()


def describe_arguments(env: VecEnv) -> dict[str, Any]:
    """Class -> argument -> value, of each layer down to the first environment, as plain JSON.

    An argument counts if the object keeps it in an attribute of that name. Those of `gymnasium.make` count in any case.
    An environment is described once, since its attributes may change in training.
    """
    if env not in _DESCRIBED:
        _DESCRIBED[env] = _described(_layers(env), _of_process(env.unwrapped))
    return _DESCRIBED[env]


def _described(layers: Iterator[Any], inside: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {}
    for layer in layers:
        found = {name: value for name in _parameters(type(layer)) if (value := _kept(layer, name)) is not None}
        spec = vars(layer).get("spec")
        if isinstance(spec, gymnasium.envs.registration.EnvSpec):
            found |= {"id": spec.id, "max_episode_steps": spec.max_episode_steps}
            found |= {name: plain for name, value in spec.kwargs.items() if (plain := _plain(name, value)) is not None}
        if found:
            described.setdefault(type(layer).__name__, {}).update(found)
    return {**described, **inside}


def _of_process(env: VecEnv) -> dict[str, Any]:
    """The arguments of the first environment of a `SubprocVecEnv`, described in its process."""
    if not isinstance(env, SubprocVecEnv):
        return {}
    env.set_attr(_ATTRIBUTE, _InWorker(), 0)
    found: dict[str, Any] = env.env_method(_ATTRIBUTE, indices=0)[0]
    return found


class _InWorker(InProcess):
    """Runs in the process of an environment: the caller's local variable `env` is that environment."""

    def __call__(self) -> dict[str, Any]:
        return _described(_singles(sys._getframe(1).f_locals.get("env")), {})


def _layers(env: VecEnv) -> Iterator[Any]:
    layer: Any = env
    while isinstance(layer, VecEnvWrapper):
        yield layer
        layer = layer.venv
    yield from _singles(layer.envs[0] if isinstance(layer, DummyVecEnv) else None)


def _singles(one: Any) -> Iterator[Any]:
    while one is not None:
        yield one
        one = one.env if isinstance(one, gymnasium.Wrapper) else None


def _parameters(kind: type) -> list[str]:
    try:
        # Only its signature is read.
        return [name for name in inspect.signature(kind.__init__).parameters if name not in _NOT_COMPARED]  # type: ignore[misc]
    except (TypeError, ValueError):  # written in C
        return []


def _kept(layer: Any, name: str) -> Any:
    """The value of an argument; None if the object does not keep it, or if it has no plain text."""
    attributes = vars(layer)
    kept = next((one for one in (name, f"_{name}") if one in attributes), None)
    return None if kept is None else _plain(name, attributes[kept])


def _plain(name: str, value: Any) -> Any:
    if name in _NOT_COMPARED:
        return None
    if isinstance(value, list | tuple):
        items = [_plain("", one) for one in value[:100]]
        return None if None in items else items
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, str):
        return None if Path(value).is_absolute() else value
    return value if isinstance(value, bool | int) else None
