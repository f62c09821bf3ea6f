"""Checks the keys of a spec: a misspelled key is refused, never replaced by a default."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any


def check_keys(plain: Mapping[str, Any], described_by: type, *, place: str) -> None:
    """Check for unknown and missing keys.

    Args:
        plain: The mapping to check.
        described_by: The dataclass whose fields are the known keys; fields without a default are required.
        place: Place in the spec, for the message.

    Raises:
        ValueError: A key is unknown or missing. The message names it, and the nearest known key.
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
