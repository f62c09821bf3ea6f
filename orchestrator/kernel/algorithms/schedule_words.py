"""A value that may follow a schedule, as a card gives it: a number, `lin_3e-4`, or a plan."""

from __future__ import annotations

import re
from collections.abc import Iterator

from orchestrator.kernel.algorithms.plans import LinearPlan

Rate = float | str | LinearPlan
"""A constant; `lin_` and the value at step 0, which falls to 0 at the target; or a plan of its own."""

_LINEAR = re.compile(r"lin_(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)")


def linear_start(rate: Rate | None) -> float | None:
    """Value at step 0 of `lin_...`, None for a constant or a plan."""
    found = _LINEAR.fullmatch(rate) if isinstance(rate, str) else None
    return float(found[1]) if found else None


def rate_faults(name: str, rate: Rate | None) -> Iterator[str]:
    """Why a text is no schedule, one sentence."""
    if not isinstance(rate, str):
        return
    start = linear_start(rate)
    if start is None or not 0.0 < start < float("inf"):
        forms = "a number, lin_ and a number above 0 (lin_3e-4), or {start, end, over_steps}"
        yield f"{name} must be {forms}, not {rate}"
