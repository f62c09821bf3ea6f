"""Entries in the form of RL Zoo's former `her.yml`, whose keys the library has renamed or dropped.

Source: the changelog of stable-baselines3, 1.1.0 (`model_class` became `replay_buffer_class=HerReplayBuffer`) and 1.8.0
(`online_sampling` and `max_episode_length` were removed: sampling is always online).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.core.zoo import values
from orchestrator.core.zoo.algorithms import Algorithm, algorithm_named

_GOALS = ("n_sampled_goal", "goal_selection_strategy")
_GONE = ("online_sampling", "max_episode_length")


def model_class(plain: Mapping[str, Any]) -> Algorithm | None:
    """The algorithm that such an entry names; None for an entry of today's form."""
    named = plain.get("model_class")
    return algorithm_named(named) if isinstance(named, str) else None


def in_todays_form(plain: Mapping[str, Any], algorithm: Algorithm) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The entry with today's keys, and a sentence for each key that no longer has an effect."""
    if model_class(plain) is None:
        return _without_gone(plain)
    rest = {key: value for key, value in plain.items() if key not in ("model_class", *_GOALS, *_GONE)}
    if rest.get("policy") == "MlpPolicy":
        rest["policy"] = "MultiInputPolicy"  # observations are dicts since 1.1.0
    rest["replay_buffer_class"] = "HerReplayBuffer"
    rest["replay_buffer_kwargs"] = {key: plain[key] for key in _GOALS if key in plain}
    return rest, _notes([key for key in _GONE if key in plain])


def _without_gone(plain: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The entry without arguments of its replay buffer that the library has no longer."""
    try:
        buffer = values.mapping(plain.get("replay_buffer_kwargs") or {})
    except ValueError:  # the reader names it
        buffer = {}
    gone = [key for key in _GONE if key in buffer]
    if not gone:
        return dict(plain), ()
    kept = {key: value for key, value in buffer.items() if key not in _GONE}
    return {**plain, "replay_buffer_kwargs": kept}, _notes(gone)


def _notes(gone: list[str]) -> tuple[str, ...]:
    return (f"{' and '.join(gone)}: stable-baselines3 has no such argument since 1.8.0; left out",) if gone else ()
