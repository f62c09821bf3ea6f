"""How the functions of this package are compiled, and what the vectoriser can follow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Compile at the first call, without the interpreter's lock, divisions as numpy does them.

    Nothing is cached on disk: the compiler notices changes of a function's own file only, not of those it calls.
    """
    return cast(_Function, numba.njit(function, nogil=True, error_model="numpy"))


# `max` and `min` treat NaN specially, which the vectoriser cannot follow.
@compiled
def larger(one: float, other: float) -> float:
    """The larger of two numbers."""
    return one if one > other else other


@compiled
def smaller(one: float, other: float) -> float:
    """The smaller of two numbers."""
    return one if one < other else other
