"""Which cases of a test run every time, and which only under `make prove-tests`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from _pytest.mark.structures import ParameterSet


def first_cases(count: int, cases: Iterable[Any]) -> list[Any]:
    """The first `count` cases as they are; the others marked `prove`.

    Args:
        cases: Values; tuples for several arguments. One argument that is a tuple must be in `pytest.param`.
    """
    listed = list(cases)
    return [*listed[:count], *(_marked(one) for one in listed[count:])]


def _marked(case: Any) -> Any:
    if isinstance(case, ParameterSet):
        return pytest.param(*case.values, marks=[*case.marks, pytest.mark.prove], id=case.id)
    return pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.prove)
