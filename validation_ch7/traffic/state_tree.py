"""Reads values from a saved state and refuses values that do not fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt


def array_from(state: Mapping[str, object], name: str, *, like: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A copy of a saved array, in the memory order of the array it replaces.

    Raises:
        ValueError: It is missing, not an array, or has another shape or type.
    """
    value = state.get(name)
    if not isinstance(value, np.ndarray):
        raise ValueError(f"state {name!r} is not an array")
    if value.shape != like.shape or value.dtype != like.dtype:
        raise ValueError(f"state {name!r} is {value.dtype}{value.shape}, expected {like.dtype}{like.shape}")
    copy = np.empty_like(like)
    copy[...] = value
    return copy


def branch_from(state: Mapping[str, object], name: str) -> Mapping[str, object]:
    """A nested part of a state.

    Raises:
        ValueError: It is missing or not a mapping.
    """
    value = state.get(name)
    if not isinstance(value, Mapping):
        raise ValueError(f"state {name!r} is not a mapping")
    return value


def whole_number_from(state: Mapping[str, object], name: str) -> int:
    """A saved integer.

    Raises:
        ValueError: It is missing or not a whole number.
    """
    value = state.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"state {name!r} is {value!r}, expected a whole number")
    return value
