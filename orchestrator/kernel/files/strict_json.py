"""Reading JSON that another program wrote: any text is either a plain value of bounded depth or a ValueError."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

MAX_DEPTH = 64
"""Nesting that no file of ours comes near; what is deeper would exhaust the stack of whoever walks it."""


def read_strict(text: str) -> Any:
    """The value of a JSON text.

    NaN and the infinities are refused, also where a number such as `1e999` only turns into one: JSON has none of
    them (RFC 8259, section 6), and a comparison with NaN is false either way.

    Raises:
        ValueError: It is no JSON, holds a number that is not finite or half of a surrogate pair, or is nested too
            deeply.
    """
    try:
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if _deeper_than(value, MAX_DEPTH):
        raise ValueError("nested too deeply")
    if "\\u" in text:
        # An escape may make half of a surrogate pair, which no file and no terminal takes.
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
    """Whether a value is nested deeper than the limit; level by level, since a walk by calls may not end."""
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
