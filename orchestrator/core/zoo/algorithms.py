"""The algorithms of RL Zoo: the name of each one's file, and what an entry may give.

Source: `ALGOS` in `rl_zoo3/utils.py`. RL Zoo has no file for MaskablePPO; it is named here like the others.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.core.errors import BadInput
from orchestrator.kernel.algorithms.registry import REGISTRY, Constructor, constructor_of

NOISE = ("noise_type", "noise_std")
"""Keys of an entry in place of the argument `action_noise`."""


@dataclass(frozen=True, slots=True)
class Algorithm:
    """An algorithm of RL Zoo.

    Attributes:
        stem: Name of its file, without `.yml`.
        name: Its class.
    """

    stem: str
    name: str

    @property
    def library(self) -> str:
        """The module that has it."""
        return REGISTRY[self.name].library

    @property
    def constructor(self) -> Constructor:
        """What its constructor takes."""
        return constructor_of(self.name)

    @property
    def policies(self) -> tuple[str, ...]:
        """Short names of its policies."""
        return tuple(self.constructor.policies)

    @property
    def arguments(self) -> tuple[str, ...]:
        """Keys of an entry that belong to the algorithm itself, not to its environment."""
        names = self.constructor.arguments
        return (*(name for name in names if name != "action_noise"), *(NOISE if "action_noise" in names else ()))


_STEMS = {"RecurrentPPO": "ppo_lstm", "MaskablePPO": "ppo_mask"}

ALGORITHMS: Mapping[str, Algorithm] = {
    one.stem: one for one in (Algorithm(_STEMS.get(name, name.lower()), name) for name in REGISTRY)
}
"""Stem of an algorithm's file -> algorithm."""

_SPELLINGS = {
    spelling: one for one in ALGORITHMS.values() for spelling in (one.stem.replace("_", ""), one.name.lower())
}


def algorithm_named(given: str) -> Algorithm | None:
    """The algorithm that a word means; upper and lower case, hyphens and underlines do not matter."""
    return _SPELLINGS.get(given.strip().replace("-", "").replace("_", "").lower())


def require_algorithm(given: str) -> Algorithm:
    """The algorithm that a word means.

    Raises:
        BadInput: There is no such algorithm.
    """
    found = algorithm_named(given)
    if found is None:
        near = difflib.get_close_matches(given.lower(), _SPELLINGS, n=1)
        known = ", ".join(ALGORITHMS)
        hint = f"Did you mean {_SPELLINGS[near[0]].stem}?" if near else f"Known: {known}."
        raise BadInput(f"there is no algorithm {given!r} in RL Zoo", remedy=hint)
    return found
