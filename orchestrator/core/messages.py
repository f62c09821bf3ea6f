"""What a run reports while it works: leveled messages with a stable code. The text is for people alone."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """How much a message matters to somebody who watches many runs at once."""

    DETAIL = 10
    """Routine of one session: shown where a person watches that one run."""
    INFO = 20
    """A step of a run: a session starts, was adopted, was fetched."""
    WARNING = 30
    """Something a person should know whatever else is shown: damage, a walk back, a wait, a refusal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message.

    Attributes:
        code: Stable name of what happened, for filters and tests; the text may change, the code does not.
        lines: The text, line by line.
    """

    level: Level
    code: str
    lines: tuple[str, ...]
