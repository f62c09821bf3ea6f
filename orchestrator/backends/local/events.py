"""Reads the end of the event file of a session that may still be writing it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_RECENT_BYTES = 65_536
"""Some hundred progress reports: minutes to hours of a session."""


def recent_events(path: Path) -> Sequence[Mapping[str, Any]]:
    """The events at the end of an event file; empty if it cannot be read now."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - _RECENT_BYTES))
            lines = stream.read().split(b"\n")
    except OSError:
        return ()  # not begun, or emptied after its outputs were fetched
    return [event for line in lines if (event := _event(line)) is not None]


def _event(line: bytes) -> Mapping[str, Any] | None:
    """An event; None for a line that was cut off or is none."""
    try:
        plain = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return plain if isinstance(plain, dict) else None
