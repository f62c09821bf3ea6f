"""Names, types and defaults of the constructors of stable-baselines3 and sb3-contrib, without these libraries.

They are in `constructors.json`, which `python -m orchestrator.sb3.algorithms.constructors` writes from the installed
libraries; a test compares the two.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

PATH = Path(__file__).with_name("constructors.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """One argument of a constructor.

    Attributes:
        types: Words such as `number`, `integer`, `schedule`, `class`; any of them fits.
        default: Of the library; None also for a default that is a class.
    """

    types: frozenset[str]
    default: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Constructor:
    """What an algorithm's constructor takes.

    Attributes:
        policies: Names that `policy` can have, and for each the `policy_kwargs` that it does not take.
        arguments: Name -> argument.
        policy_kwargs: Arguments of its policies.
    """

    policies: Mapping[str, tuple[str, ...]]
    arguments: Mapping[str, Argument]
    policy_kwargs: Mapping[str, Argument]


@lru_cache(maxsize=1)
def _content() -> Mapping[str, Any]:
    content: Mapping[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
    return content


def versions() -> Mapping[str, str]:
    """Library -> version that the file describes."""
    found: Mapping[str, str] = _content()["versions"]
    return found


@lru_cache(maxsize=64)
def constructor_of(algorithm: str) -> Constructor:
    """The constructor of an algorithm of the registry."""
    plain = _content()["algorithms"][algorithm]
    return Constructor(
        policies={name: tuple(lacking) for name, lacking in plain["policies"].items()},
        arguments=_arguments(plain["arguments"]),
        policy_kwargs=_arguments(plain["policy_kwargs"]),
    )


@lru_cache(maxsize=1)
def replay_buffer_arguments() -> Mapping[str, Argument]:
    """What the library's replay buffers take as `replay_buffer_kwargs`."""
    return _arguments(_content()["replay_buffer_kwargs"])


def _arguments(plain: Mapping[str, Any]) -> Mapping[str, Argument]:
    return {name: Argument(types=frozenset(one["types"]), default=one.get("default")) for name, one in plain.items()}
