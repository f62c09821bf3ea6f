"""The classes that card trainings use: those of the libraries, with schedules of the absolute step."""

from __future__ import annotations

import importlib
from collections.abc import Hashable
from functools import lru_cache
from typing import Any, cast

from orchestrator.kernel.algorithms.registry import REGISTRY, Learns
from orchestrator.kernel.outcome import SessionRefused
from orchestrator.sb3.algorithms.action_noise import KeptNoise
from orchestrator.sb3.algorithms.candidates import with_boundary
from orchestrator.sb3.algorithms.refill_replay import GatheringAnew
from orchestrator.sb3.algorithms.schedules import AbsoluteSteps


def library_class(algorithm: str) -> type[Any]:
    """The library's class of an algorithm; only its own library is imported.

    Raises:
        SessionRefused: The library is not installed, or its version does not have the algorithm.
    """
    name = REGISTRY[algorithm].library
    try:
        found: type[Any] = getattr(importlib.import_module(name), algorithm)
    except ImportError as fault:
        raise SessionRefused(
            f"{algorithm} needs {name}, which cannot be imported: {fault}",
            remedy=f"Add {name.replace('_', '-')} to the requirements of the session.",
        ) from fault
    except AttributeError as fault:
        raise SessionRefused(f"the installed {name} has no {algorithm}", remedy=f"Update {name}.") from fault
    return found


@lru_cache(maxsize=32)
def absolute_step_class(algorithm: str) -> type[Any]:
    """An algorithm with schedules of the absolute step, and with noise that continues across sessions."""
    kind = library_class(algorithm)
    bases: tuple[type, ...] = (AbsoluteSteps, kind)
    if REGISTRY[algorithm].has_replay:
        bases = (KeptNoise, GatheringAnew, *bases)
    elif REGISTRY[algorithm].learns is Learns.CANDIDATES:
        bases = (AbsoluteSteps, with_boundary(cast("Hashable", kind)))
    text = f"{algorithm} with schedules of the absolute step."
    return type(f"AbsoluteStep{algorithm}", bases, {"__module__": __name__, "__doc__": text})
