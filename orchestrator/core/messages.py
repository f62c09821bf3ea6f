"""Messages of a run: a level and a stable code for programs, a text for people."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """How important a message is to a person who watches many runs at once."""

    DETAIL = 10
    """Routine of one session: shown only where a person watches that one run."""
    INFO = 20
    """A step of a run: a session was started, adopted or fetched."""
    WARNING = 30
    """Always shown: damage, a walk back, a wait, a refusal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message.

    Attributes:
        code: Stable name of the event for filters and tests; only the text may change.
        lines: Lines of the text.
    """

    level: Level
    code: str
    lines: tuple[str, ...]
