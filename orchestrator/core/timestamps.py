"""A moment as text that another computer wrote."""

from __future__ import annotations

from datetime import datetime


def parse_timestamp(text: str) -> datetime | None:
    """The moment in an ISO text, None where it is none or names no time zone: a guess could name another week."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return None
    return read if read.tzinfo is not None else None
