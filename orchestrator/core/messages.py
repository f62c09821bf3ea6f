"""Messages of a run: a level and a stable code for programs, a text for people."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movements
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)"  # OSC, DCS, SOS, PM, APC: titles, links, anything up to their end
    r"|\x9b[0-?]*[ -/]*[@-~]|\x1b[ -/]*[0-~]?",
    re.DOTALL,
)
"""Control sequences of terminals. Source: ECMA-48, 5th edition, sections 5.4 and 5.6."""
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that move the cursor, reorder the line, or are no characters; not the tab and the line feed."""


def without_controls(text: str) -> str:
    """A text that a terminal only shows: no control sequences, and a space for each other control character."""
    if text.isprintable():
        return text
    return _CONTROLS.sub(" ", _ESCAPES.sub("", text))


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
