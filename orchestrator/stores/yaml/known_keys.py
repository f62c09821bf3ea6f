"""The keys that a dataclass allows at a place of a file, and the best suggestion for a wrong key."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from typing import Any

from orchestrator.stores.yaml.document import SHARED, Path

_OTHER_NAMES: Mapping[str, str] = {
    "net_arch": "it is policy_kwargs.net_arch of the algorithm, or the card's `network` for all of them",
    "n_timesteps": "it is target_steps of a profile, for example profiles.full.target_steps",
    "total_timesteps": "it is target_steps of a profile, for example profiles.full.target_steps",
    "env_kwargs": "the section's code builds the environment; give them there",
    "monitor_kwargs": "the section's code builds the environment; give them there",
    "normalize_kwargs": "it is normalize, a mapping of the same keys",
    "callback": "callbacks are code; train with a script and run.sb3 to use your own",
    "verbose": "leave it out; a session prints its own progress",
    "tensorboard_log": "leave it out; each session writes TensorBoard files beside its results",
    "create_eval_env": "leave it out; evaluate_every_steps of a profile evaluates",
    "online_sampling": "leave it out; the library has no other sampling any more",
    "max_episode_length": "leave it out; the library reads the length from the environment",
    "noise_type": "it is action_noise: {kind, sigma}",
    "noise_std": "it is action_noise: {kind, sigma}",
    "seed_list": "it is seeds",
}
"""Keys of stable-baselines3 and the RL Zoo that have another name here."""


def nearest_key(kind: Any, path: Path, whole: str) -> str:
    """Hint for an unknown key: where it belongs, or which key may be meant; empty without one."""
    *above, leaf = path
    key = str(leaf)
    if key in _OTHER_NAMES:
        return f", {_OTHER_NAMES[key]}"
    top_level = keys_at(kind, ())
    if above and key.startswith(SHARED):
        return f"; a shared block ({SHARED}...) must be at the left margin"
    if above and key in top_level:
        return f", it belongs to the {whole} itself, at the left margin"
    near = difflib.get_close_matches(key, keys_at(kind, tuple(above)), n=1) or difflib.get_close_matches(
        key, sorted(_all_keys(kind) - {key}), n=1
    )
    if near:
        return f", did you mean {near[0]}?"
    return "" if above else f"; the name of a block that is only shared begins with {SHARED}"


def keys_at(kind: Any, path: Path) -> list[str]:
    """Keys that a dataclass allows at a place, optional ones included."""
    return [field.name for one in kinds_at(kind, path) if _is_block(one) for field in dataclasses.fields(one)]


def required_keys(kind: Any) -> list[str]:
    """Required keys of a dataclass."""
    missing = dataclasses.MISSING
    return [one.name for one in dataclasses.fields(kind) if one.default is missing and one.default_factory is missing]


def kinds_at(kind: Any, path: Path) -> list[Any]:
    """The types allowed at a place; of a union, each member."""
    kinds = _members(kind)
    for part in path:
        kinds = [member for one in kinds for below in _below(one, part) for member in _members(below)]
    return kinds


def _below(kind: Any, part: str | int) -> list[Any]:
    if _is_block(kind):
        hint = typing.get_type_hints(kind).get(str(part))
        return [] if hint is None else [hint]
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (list, tuple):
        return [arguments[0]]
    return [arguments[1]] if isinstance(origin, type) and issubclass(origin, Mapping) else []


def _members(kind: Any) -> list[Any]:
    return list(typing.get_args(kind)) if typing.get_origin(kind) in (typing.Union, types.UnionType) else [kind]


def _is_block(kind: Any) -> bool:
    return isinstance(kind, type) and dataclasses.is_dataclass(kind)


def _all_keys(kind: Any, seen: frozenset[Any] = frozenset()) -> set[str]:
    """Every key of every block below a type."""
    known: set[str] = set()
    for one in _members(kind):
        if _is_block(one) and one not in seen:
            hints = typing.get_type_hints(one)
            for field in dataclasses.fields(one):
                known |= {field.name} | _all_keys(hints[field.name], seen | {one})
        elif typing.get_args(one):
            known |= set().union(*(_all_keys(inner, seen) for inner in typing.get_args(one)))
    return known
