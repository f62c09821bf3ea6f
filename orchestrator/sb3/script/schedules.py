"""Schedules of a script: whether a value follows the progress towards the target, and what a schedule itself keeps."""

from __future__ import annotations

import types
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback

from orchestrator.sb3.envs.attributes import Capture, Restore
from orchestrator.sb3.state.algorithm_state import outside_of
from orchestrator.sb3.state.npz_tree import same_state

SCHEDULES = ("lr_schedule", "clip_range", "clip_range_vf", "exploration_schedule", "delta_std_schedule")
"""Attributes of algorithms that are functions of the remaining progress, which falls from 1 to 0."""
_POINTS = 101
_PROGRESS = frozenset({"_total_timesteps", "_current_progress_remaining", "total_timesteps", "progress_remaining"})
"""Names by which code reads the steps of the whole training."""


def schedules_of(model: BaseAlgorithm) -> dict[str, Any]:
    """The schedules of a model by attribute."""
    return {name: one for name in SCHEDULES if callable(one := getattr(model, name, None))}


def values_of(schedule: Any, at: tuple[float, ...]) -> list[float]:
    """A schedule's values at these remaining shares of the training.

    Empty if it is no schedule, or if it has a memory: its values then depend on the calls before. A schedule that
    counts its calls is left as it was.
    """
    inner = getattr(schedule, "value_schedule", schedule)
    before = _memory(inner)
    try:
        values = [float(schedule(remaining)) for remaining in at]
    except Exception:  # an argument that is another kind of function, e.g. a network's activation
        values = []
    if before is None or same_state({"memory": _memory(inner)}, {"memory": before}):
        return values
    Restore({}, lenient=True).decode(before, inner)
    return []


def follows_a_schedule(model: BaseAlgorithm) -> bool:
    """Whether a value of the training changes with its progress towards the target, as far as can be known."""
    at = tuple(1 - index / (_POINTS - 1) for index in range(_POINTS))
    return any(len(set(values_of(one, at))) != 1 for one in schedules_of(model).values())


def capture_schedules(model: BaseAlgorithm) -> tuple[dict[str, Any], list[str]]:
    """What the schedules of a user keep: attributes, and variables of functions around them; and what is lost."""
    capture = Capture(outside_of(model))
    found = {name: capture.encode(one, name) for name, one in _users(model).items()}
    return {name: node for name, node in found.items() if node["is"] not in ("code", "lost")}, capture.lost


def restore_schedules(model: BaseAlgorithm, tree: dict[str, Any]) -> str | None:
    """Restore what the schedules keep; returns why it could not be done, None if it was."""
    restore, users = Restore(outside_of(model), lenient=True), _users(model)
    try:
        for name, node in tree.items():
            restore.decode(node, users.get(name))
    except (ValueError, KeyError, TypeError, AttributeError) as fault:
        return f"schedules: their state cannot be restored: {fault}"
    return None


def reads_progress(callbacks: list[BaseCallback]) -> str | None:
    """The first callback of a user whose code reads the steps of the whole training, None if there is none.

    Args:
        callbacks: The callbacks, nested ones too.
    """
    for callback in callbacks:
        kinds = (one for one in type(callback).__mro__ if one.__module__.partition(".")[0] not in _LIBRARIES)
        methods = (value for kind in kinds for value in vars(kind).values())
        if any(isinstance(one, types.FunctionType) and _reads(one.__code__) for one in methods):
            return type(callback).__qualname__
    return None


_LIBRARIES = ("stable_baselines3", "sb3_contrib", "abc", "builtins")


def _reads(code: types.CodeType) -> bool:
    texts = {one for one in code.co_consts if isinstance(one, str)}
    inner = (one for one in code.co_consts if isinstance(one, types.CodeType))
    return bool(_PROGRESS & {*code.co_names, *texts}) or any(map(_reads, inner))


def _users(model: BaseAlgorithm) -> dict[str, Any]:
    inner = {name: getattr(one, "value_schedule", one) for name, one in schedules_of(model).items()}
    return {name: one for name, one in inner.items() if type(one).__module__.partition(".")[0] not in _LIBRARIES[:2]}


def _memory(inner: Any) -> Any:
    """What a schedule keeps, encoded; None if it keeps nothing."""
    node = Capture({}).encode(inner, "schedule")
    return None if node["is"] in ("code", "lost") else node
