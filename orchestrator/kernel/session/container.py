"""The number that Kaggle gives a session. No answer of its API holds it, but the name of the session's container does.

The session writes it into its log and its event file before anything else; the other side reads it there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.kernel.reading.shapes import MOST_WHOLE

CONTAINER_VARIABLE = "KAGGLE_CONTAINER_NAME"
OPENED = "opened"
"""Kind of the first report of a session; its field `session_id` is a number, or null if the name has another form."""

_MOST_DIGITS = 18


def id_of_container(name: str) -> int | None:
    """The session id in `kaggle_<token>-<session id>-webtier`; None if the name has another form.

    The token may hold dashes itself, so the name is split from the right.
    """
    _, _, number = name.rpartition("-")[0].rpartition("-")
    return _number(number) if name.startswith("kaggle_") else None


def opened_id(report: Mapping[str, Any]) -> int | None:
    """The session id in a report of kind `opened`, None in any other report."""
    number = report.get("session_id") if report.get("kind") == OPENED else None
    return _number(str(number)) if isinstance(number, int) and not isinstance(number, bool) else None


def _number(text: str) -> int | None:
    usable = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    return int(text) if usable and 0 < int(text) <= MOST_WHOLE else None
