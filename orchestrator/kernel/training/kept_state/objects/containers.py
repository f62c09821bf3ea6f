"""The containers of the standard library: their names, factories of a `defaultdict`, tuples, and the order of sets."""

from __future__ import annotations

import os
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from typing import Any

from orchestrator.kernel.training.kept_state.objects.program import class_name

DICTS: dict[type, str] = {dict: "dict", OrderedDict: "ordered", Counter: "counter", defaultdict: "default"}
FACTORIES: dict[str, Any] = {one.__name__: one for one in (bool, int, float, str, list, tuple, dict, set, deque)}
"""Factories of a `defaultdict` that a checkpoint names; another one has to be in the script."""


def factory_name(value: Any) -> str | None:
    """Name of the factory of a `defaultdict`; empty for one of the script, None without a factory."""
    made = value.default_factory
    return None if made is None else next((name for name, one in FACTORIES.items() if one is made), "")


def is_tuple(kind: type) -> bool:
    """Whether values of a type are tuples, named tuples or shapes of torch."""
    return kind is tuple or hasattr(kind, "_make") or class_name(kind) == "torch:Size"


def is_rebuilt_in_order(value: Any) -> bool:
    """Whether a set of the same members has the same order and the same table in another process."""
    members = list(value)
    again = type(value)(members)
    if list(again) != members or sys.getsizeof(again) != sys.getsizeof(value):
        return False
    same_hashes = os.environ.get("PYTHONHASHSEED", "random") not in ("", "random")
    return same_hashes or all(type(item) in (bool, int, float) for item in members)
