"""The algorithms that a card can name: one line each, and what their constructors take.

Names, types and defaults of the arguments are in `constructors.json`, which `python -m
orchestrator.sb3.algorithms.constructors` writes from the installed libraries; a test compares the two.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any


class Learns(StrEnum):
    """What an algorithm learns from; decides which sections the state file of its trainings has."""

    ROLLOUTS = "rollouts"
    """The latest rollout."""
    REPLAY = "replay"
    """A replay buffer."""
    CANDIDATES = "candidates"
    """Whole episodes of perturbed policies."""


_EVERY = (
    *("counters", "schedules", "last", "episode_statistics", "layers", "environment"),
    *("action_space_rng", "python_rng", "numpy_rng", "torch_rng"),
)
_SECTIONS: Mapping[Learns, tuple[str, ...]] = {
    Learns.ROLLOUTS: (*_EVERY, "exploration_matrices"),
    Learns.REPLAY: (*_EVERY, "exploration_matrices", "replay_buffer", "other_replay_buffer", "action_noise"),
    Learns.CANDIDATES: _EVERY,
}
"""Sections of the state file that a training can have, beside weights, optimizers and learned variables in the zip."""


@dataclass(frozen=True, slots=True)
class Algorithm:
    """An algorithm of stable-baselines3 or sb3-contrib.

    Attributes:
        library: Module that has it.
        learns: What it learns from.
        own: Attributes of the library's object that are state, and that no other algorithm has.
        only_box: Whether it takes continuous actions alone.
    """

    library: str
    learns: Learns
    own: tuple[str, ...] = ()
    only_box: bool = False

    @property
    def sections(self) -> tuple[str, ...]:
        """Sections of the state file that its trainings can have; one without e.g. gSDE lacks that section."""
        return (*_SECTIONS[self.learns], *(("own_attributes",) if self.own else ()))

    @property
    def has_replay(self) -> bool:
        """Whether it has a replay buffer."""
        return self.learns is Learns.REPLAY


_SB3, _CONTRIB = "stable_baselines3", "sb3_contrib"

REGISTRY: Mapping[str, Algorithm] = {
    "DQN": Algorithm(_SB3, Learns.REPLAY),
    "QRDQN": Algorithm(_CONTRIB, Learns.REPLAY),
    "PPO": Algorithm(_SB3, Learns.ROLLOUTS),
    "A2C": Algorithm(_SB3, Learns.ROLLOUTS),
    "SAC": Algorithm(_SB3, Learns.REPLAY, only_box=True),
    "TD3": Algorithm(_SB3, Learns.REPLAY, only_box=True),
    "DDPG": Algorithm(_SB3, Learns.REPLAY, only_box=True),
    "TQC": Algorithm(_CONTRIB, Learns.REPLAY, only_box=True),
    "CrossQ": Algorithm(_CONTRIB, Learns.REPLAY, only_box=True),
    "TRPO": Algorithm(_CONTRIB, Learns.ROLLOUTS),
    "RecurrentPPO": Algorithm(_CONTRIB, Learns.ROLLOUTS, own=("_last_lstm_states",)),
    "MaskablePPO": Algorithm(_CONTRIB, Learns.ROLLOUTS),
    "ARS": Algorithm(_CONTRIB, Learns.CANDIDATES, own=("weights",)),
}
"""Name of an algorithm, and of its class."""


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


_OTHER_KEYS = frozenset({"n_timesteps", "noise_type", "noise_std"})


def is_in_words_of_card(blocks: Mapping[str, Any]) -> bool:
    """Whether blocks of hyper-parameters certainly have none of RL Zoo's forms.

    They are named after classes, and hold numbers, plain words, and mappings of these.
    """
    return blocks.keys() <= REGISTRY.keys() and all(
        isinstance(block, Mapping) and not _OTHER_KEYS & block.keys() and all(map(_is_simple, block.values()))
        for block in blocks.values()
    )


def _is_simple(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(not isinstance(one, Mapping) and _is_simple(one) for one in value.values())
    return value is None or isinstance(value, int | float) or (isinstance(value, str) and value.isidentifier())
