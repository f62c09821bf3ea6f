"""Timestamps in texts that another computer wrote."""

from __future__ import annotations

from datetime import datetime


def parse_timestamp(text: str) -> datetime | None:
    """Parse an ISO timestamp; None if it is malformed or has no time zone (a guessed one could shift the week)."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return None
    return read if read.tzinfo is not None else None
