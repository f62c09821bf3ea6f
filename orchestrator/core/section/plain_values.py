"""Blocks of a card as plain JSON, for digests and tickets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any


def plain(value: Any, place: str) -> Any:
    """A value as plain JSON. Of a dataclass, optional keys that are left out (None) are left out.

    Args:
        place: Key of the card, for messages.

    Raises:
        ValueError: A number is not finite, or the value is no plain one.
    """
    if is_dataclass(value):
        found = {one.name: getattr(value, one.name) for one in fields(value)}
        return {name: plain(one, _join(place, name)) for name, one in found.items() if one is not None}
    if isinstance(value, Mapping):
        return {str(name): plain(one, _join(place, str(name))) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one, f"{place}.{index}") for index, one in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{place} must be finite, not {value}")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ValueError(f"{place} is a {type(value).__name__}, which is no plain value")


def _join(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name
