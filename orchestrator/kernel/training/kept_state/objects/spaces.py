"""Seeds for the spaces of gymnasium that a script left without one: they would take theirs from the system."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from orchestrator.kernel.training.kept_state.objects.program import class_name
from orchestrator.kernel.training.kept_state.objects.protocols import load_object, state_of

_SPACE = "gymnasium.spaces.space:Space"
_MOST_SEED = 2**64
"""The system gives 128 bits; a smaller seed was given by the script."""


def seed_spaces(objects: Iterable[Any], seed: int) -> None:
    """Seed the generators of spaces among the objects, in their order; those with a seed keep it.

    Without this two trainings with one seed differ, since a space seeds itself when it is first asked.
    """
    numpy = sys.modules.get("numpy")
    spaces = [one for one in objects if any(class_name(kind) == _SPACE for kind in type(one).__mro__)]
    for number, space in enumerate(spaces):
        if numpy is None:
            return
        seeded = numpy.random.default_rng(numpy.random.SeedSequence([seed % _MOST_SEED, number]))
        now = getattr(space, "_np_random", seeded)
        if now is None:
            space._np_random = seeded
        elif _is_of_the_system(now):
            load_object(now, state_of(seeded))  # in place, since spaces share generators


def _is_of_the_system(generator: Any) -> bool:
    entropy = getattr(getattr(getattr(generator, "bit_generator", None), "seed_seq", None), "entropy", None)
    return isinstance(entropy, int) and entropy >= _MOST_SEED
