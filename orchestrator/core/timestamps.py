"""Timestamps in texts that another computer wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from orchestrator.kernel.reading.shapes import leaf


def parse_timestamp(text: str) -> datetime | None:
    """Parse an ISO timestamp.

    Returns:
        None if it is malformed, has no time zone (a guessed one could shift the week), or is of a year that no clock
        shows: a sum with it could leave the range of `datetime`.
    """
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return None
    return read if read.tzinfo is not None and 1970 <= read.year < 2200 else None


def latest_time(events: Sequence[Mapping[str, Any]]) -> str | None:
    """ISO time of the latest event that has one; None without one.

    Args:
        events: Oldest first; values may be anything.
    """
    times = (parse_timestamp(str(event.get("at"))) for event in reversed(events))
    return next((one.isoformat() for one in times if one is not None), None)


def _is_time(value: object) -> bool:
    return isinstance(value, str) and parse_timestamp(value) is not None


TIME = leaf("an ISO time with its zone", _is_time)
"""Shape of a timestamp in a file."""
