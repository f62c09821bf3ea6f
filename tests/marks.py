"""Which cases of a test run every time, and which only under `make prove-tests`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def first_cases(count: int, cases: Iterable[Any]) -> list[Any]:
    """The first `count` cases as they are; the others marked `prove`."""
    listed = list(cases)
    return [*listed[:count], *(_marked(one) for one in listed[count:])]


def _marked(case: Any) -> Any:
    values = case if isinstance(case, tuple) else (case,)
    return pytest.param(*values, marks=pytest.mark.prove)
