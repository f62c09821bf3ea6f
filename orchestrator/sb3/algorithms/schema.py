"""Use or refuse: a misspelled key must never be a silent default."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any


def check_keys(plain: Mapping[str, Any], described_by: type, *, place: str) -> None:
    """Compare what was given with what is known.

    Args:
        plain: What was given.
        described_by: The dataclass whose fields are the keys; those without a default are required.
        place: Where in the spec, for the message.

    Raises:
        ValueError: Names the first unknown or missing key, and the nearest known one.
    """
    known = [field.name for field in fields(described_by)]
    for name in plain:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
            raise ValueError(f"unknown key {place}.{name}; the nearest known one is {nearest[0]}")
    required = [field.name for field in fields(described_by) if field.default is MISSING]
    missing = [name for name in required if name not in plain]
    if missing:
        raise ValueError(f"missing key {place}.{missing[0]}")
