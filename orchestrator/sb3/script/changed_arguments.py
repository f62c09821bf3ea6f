"""Arguments of an algorithm that a callback changes in training, e.g. a falling `ent_coef`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm

from orchestrator.sb3.script.identity import arguments_of

_NOT_CHANGED = frozenset({"n_envs", "env", "learning_starts"})
"""What describes the environment, and what a start from weights delays; see `refill_replay`."""
_PLAIN = (bool, int, float, str)


def capture_changed(model: BaseAlgorithm, built: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Numbers, switches and texts that differ from those of the untrained model; other arguments are lost.

    Args:
        model: The model.
        built: What `arguments_of` described before training.
    """
    changed, lost = {}, []
    for name in _differing(model, built):
        value = getattr(model, name, None)
        if value is None or isinstance(value, _PLAIN):
            changed[name] = value
        else:
            lost.append(f"{type(model).__name__}.{name}: it was replaced in training")
    return changed, lost


def restore_changed(model: BaseAlgorithm, built: Mapping[str, Any], changed: Mapping[str, Any]) -> None:
    """Set them in an untrained model, which has the arguments `built`."""
    for name, value in changed.items():
        if name in built:
            setattr(model, name, value)


def _differing(model: BaseAlgorithm, built: Mapping[str, Any]) -> list[str]:
    now = arguments_of(model)
    return [name for name in built if name not in _NOT_CHANGED and now.get(name) != built[name]]
