"""Where an algorithm is: its counters, its newest observations, and the statistics of its newest episodes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

COUNTERS = ("num_timesteps", "_n_updates", "_episode_num", "_n_calls")
# The progress is not saved: it is computed from the step counter before it is used.
SCHEDULED = ("exploration_rate",)
_LAYOUTS = "layouts"
_LAST = ("_last_obs", "_last_episode_starts")


def capture_numbers(names: tuple[str, ...]) -> Callable[[BaseAlgorithm], dict[str, Any]]:
    """A function that captures these attributes of an algorithm."""
    # Attributes that an algorithm lacks are left out of its tree.
    return lambda model: {name.lstrip("_"): getattr(model, name) for name in names if hasattr(model, name)}


def restore_numbers(names: tuple[str, ...]) -> Callable[[BaseAlgorithm, Mapping[str, Any]], None]:
    """A function that restores these attributes of an algorithm."""

    def restore(model: BaseAlgorithm, tree: Mapping[str, Any]) -> None:
        for name in names:
            if hasattr(model, name):
                setattr(model, name, tree[name.lstrip("_")])

    return restore


def capture_last(model: BaseAlgorithm) -> dict[str, Any]:
    """The newest observations, and which of them begin an episode."""
    found = {name.lstrip("_"): getattr(model, name) for name in _last_of(model)}
    layouts = {name: layout for name, value in found.items() if (layout := _layout(value)) is not None}
    return {**_copied(found), **({_LAYOUTS: layouts} if layouts else {})}


def restore_last(model: BaseAlgorithm, tree: Mapping[str, Any]) -> None:
    """Restore the newest observations."""
    layouts = tree.get(_LAYOUTS, {})
    for name in _last_of(model):
        plain = name.lstrip("_")
        setattr(model, name, _laid_out(_copied(tree[plain]), layouts.get(plain)))


def _layout(value: Any) -> Any:
    """Axes of an array by falling stride, None if it lies in the usual order; of a dict, those of its arrays.

    An image with channels last in memory gives a convolution other roundings than a copy with channels first. The
    strides decide, also that of a single channel, which numpy's flags disregard.
    """
    if isinstance(value, dict):
        found = {name: layout for name, one in value.items() if (layout := _layout(one)) is not None}
        return found or None
    if not isinstance(value, np.ndarray) or value.strides == np.empty(value.shape, value.dtype).strides:
        return None
    return sorted(range(value.ndim), key=lambda axis: (-value.strides[axis], value.shape[axis] == 1))


def _laid_out(value: Any, layout: Any) -> Any:
    """A value in the memory layout of `_layout`."""
    if layout is None:
        return value
    if isinstance(value, dict):
        return {name: _laid_out(one, layout.get(name)) for name, one in value.items()}
    return value.transpose(layout).copy(order="C").transpose(np.argsort(layout))


def _last_of(model: BaseAlgorithm) -> tuple[str, ...]:
    # A replay buffer holds raw observations; with a normalization, the algorithm also keeps the newest raw one.
    raw = isinstance(model, OffPolicyAlgorithm) and model.get_vec_normalize_env() is not None
    return (*_LAST, "_last_original_obs") if raw else _LAST


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copied(item) for name, item in value.items()}
    return value.copy() if isinstance(value, np.ndarray) else value


def capture_statistics(model: BaseAlgorithm) -> dict[str, Any]:
    """Returns and lengths of the newest episodes."""
    # "t" is the wall time at which an episode ended; it differs between repeated runs, so it is left out.
    episodes = model.ep_info_buffer or ()
    timeless = [{name: _number(episode[name]) for name in episode if name != "t"} for episode in episodes]
    successes = [_number(success) for success in model.ep_success_buffer or ()]
    kinds = _kinds(episodes)
    return {"episodes": timeless, "successes": successes, **({"kinds": kinds} if kinds else {})}


def _kinds(episodes: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Name -> type of the numbers that a `VecMonitor` gives: the mean of single precision numbers is rounded so."""
    found: dict[str, set[str]] = {}
    for episode in episodes:
        for name, value in episode.items():
            found.setdefault(name, set()).add(value.dtype.name if isinstance(value, np.generic) else "")
    return {name: "".join(kinds) for name, kinds in found.items() if len(kinds) == 1 and kinds != {""} and name != "t"}


def _number(value: Any) -> Any:
    # A monitor gives numpy scalars; a state file returns Python's numbers.
    return value.item() if isinstance(value, np.generic) else value


def _same(value: Any) -> Any:
    return value


def restore_statistics(model: BaseAlgorithm, tree: Mapping[str, Any]) -> None:
    """Restore the returns and lengths of the newest episodes."""
    window = model._stats_window_size
    kinds = {name: np.dtype(kind).type for name, kind in tree.get("kinds", {}).items()}
    episodes = ({name: kinds.get(name, _same)(value) for name, value in one.items()} for one in tree["episodes"])
    model.ep_info_buffer = deque(episodes, maxlen=window)
    model.ep_success_buffer = deque(tree["successes"], maxlen=window)
