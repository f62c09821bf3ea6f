"""Reads JSON from another program: any text gives a value of bounded depth or a ValueError."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

MAX_DEPTH = 64
"""Far deeper than any of our files; deeper values could exhaust the stack of recursive code."""


def read_strict(text: str) -> Any:
    """The value of a JSON text.

    NaN and infinities are refused, including numbers such as `1e999` that become infinite: JSON has none of them
    (RFC 8259, section 6), and every comparison with NaN is false.

    Raises:
        ValueError: The text is not JSON, holds a non-finite number or an unpaired surrogate, or is nested too deeply.
    """
    try:
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if _deeper_than(value, MAX_DEPTH):
        raise ValueError("nested too deeply")
    if "\\u" in text:
        # An escape may produce an unpaired surrogate, which cannot be written to a file or a terminal.
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]} is too large for a number")
    return value


def _deeper_than(value: Any, limit: int) -> bool:
    """Whether a value is nested deeper than the limit. Walks level by level, since recursion could overflow."""
    level = [value]
    for _ in range(limit):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True
