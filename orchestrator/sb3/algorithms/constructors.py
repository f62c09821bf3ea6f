"""Writes `kernel/algorithms/constructors.json`: names, types and defaults of the libraries' constructors.

The file is what a card is checked against where no library is installed. After an update of a library:
`python -m orchestrator.sb3.algorithms.constructors`.
"""

from __future__ import annotations

import collections.abc
import importlib
import importlib.metadata
import inspect
import json
import re
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.her import HerReplayBuffer

from orchestrator.kernel.algorithms.registry import PATH, REGISTRY
from orchestrator.kernel.files.atomic import write_bytes

_LIBRARIES = ("stable_baselines3", "sb3_contrib")
_NOT_IN_A_CARD = frozenset(
    {"self", "policy", "env", "seed", "device", "verbose", "tensorboard_log", "_init_setup_model", "args", "kwargs"}
)
_GIVEN_BY_ALGORITHM = frozenset(
    {"self", "observation_space", "action_space", "lr_schedule", "use_sde", "buffer_size", "device", "n_envs", "env"}
    | {"optimize_memory_usage", "args", "kwargs"}
)
_WORDS: Mapping[Any, str] = {bool: "boolean", int: "integer", float: "number", str: "text", type(None): "none"}


def describe_constructors() -> dict[str, Any]:
    """Arguments of each algorithm, of its policies and of the replay buffers, as plain JSON."""
    return {
        "versions": {name: _minor(importlib.metadata.version(name.replace("_", "-"))) for name in _LIBRARIES},
        "algorithms": {name: _algorithm(class_of(name)) for name in REGISTRY},
        "replay_buffer_kwargs": {
            **_arguments(ReplayBuffer, _GIVEN_BY_ALGORITHM),
            **_arguments(HerReplayBuffer, _GIVEN_BY_ALGORITHM),
            # Of `NStepReplayBuffer`, which older libraries lack.
            "n_steps": {"types": ["integer"], "default": 3},
            "gamma": {"types": ["number"], "default": 0.99},
        },
    }


def class_of(algorithm: str) -> type[Any]:
    """The library's class of an algorithm.

    Raises:
        ImportError: Its library is not installed.
        AttributeError: The installed version does not have it.
    """
    kind: type[Any] = getattr(importlib.import_module(REGISTRY[algorithm].library), algorithm)
    return kind


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _algorithm(kind: type[Any]) -> dict[str, Any]:
    policies: Mapping[str, type[Any]] = kind.policy_aliases
    taken = {name: _arguments(policy, _GIVEN_BY_ALGORITHM) for name, policy in policies.items()}
    every: dict[str, Any] = {}
    for described in taken.values():
        every = {**described, **every}
    return {
        "policies": {name: [one for one in every if one not in described] for name, described in taken.items()},
        "arguments": _arguments(kind, _NOT_IN_A_CARD),
        "policy_kwargs": every,
    }


def _arguments(kind: type[Any], without: frozenset[str]) -> dict[str, Any]:
    found = {}
    for name, one in inspect.signature(kind.__init__).parameters.items():
        if name in without:
            continue
        default = one.default
        plain = default is None or isinstance(default, bool | int | float | str)
        found[name] = {"types": list(dict.fromkeys(_types(one.annotation)))} | ({"default": default} if plain else {})
    return found


def _types(hint: Any) -> Iterator[str]:
    """The words of the file for a type of Python."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        for one in inner:
            yield from _types(one)
    elif hint in _WORDS:
        yield _WORDS[hint]
    elif origin is collections.abc.Callable or hint is collections.abc.Callable:
        yield "schedule"
    elif origin is list:
        yield "layers"
    elif origin is dict:
        yield "layers by network" if typing.get_origin(inner[1]) is list else "mapping"
    elif origin is tuple:
        yield "frequency"
    elif origin is type:
        yield "class"
    else:
        yield "noise" if isinstance(hint, type) and issubclass(hint, ActionNoise) else _words_of(hint)


def _words_of(hint: Any) -> str:
    if getattr(hint, "__name__", "") == "GoalSelectionStrategy":
        return "goal strategy"
    raise ValueError(f"an argument of the type {hint} has no word in the file")


def as_text(described: Mapping[str, Any]) -> str:
    """The file's text, one argument a line."""
    text = json.dumps(described, indent=1)
    return (
        re.sub(r"[{\[][^{}\[\]]*(\[[^{}\[\]]*\][^{}\[\]]*)?[}\]]", lambda found: " ".join(found[0].split()), text)
        + "\n"
    )


def main() -> None:
    """Write the file."""
    write_bytes(PATH, as_text(describe_constructors()).encode())


if __name__ == "__main__":
    main()
