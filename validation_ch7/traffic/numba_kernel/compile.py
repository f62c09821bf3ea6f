"""Compiles the functions of this package, and defines `larger` and `smaller`, which can be vectorized."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

from validation_ch7.traffic.numba_kernel.disk_cache import keep_on_disk

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Compile at the first call on this computer; releases the GIL, and divides by zero like numpy."""
    made = numba.njit(function, nogil=True, error_model="numpy")
    keep_on_disk(made)
    return cast(_Function, made)


# `max` and `min` handle NaN specially, which prevents vectorization.
@compiled
def larger(one: float, other: float) -> float:
    """The larger of two numbers."""
    return one if one > other else other


@compiled
def smaller(one: float, other: float) -> float:
    """The smaller of two numbers."""
    return one if one < other else other
