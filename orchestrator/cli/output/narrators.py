"""A narrator for runs within a run: only what went wrong is passed on."""

from __future__ import annotations

from typing import Any

from orchestrator.ports import Narrator

_TROUBLE = ("No live log:", "Waiting", "Looking for")


class WarningsOnly:
    """Keeps the words of many small runs from the user, who asked for their outcome.

    Args:
        heard: Who is told of troubles and waits.
    """

    def __init__(self, heard: Narrator) -> None:
        self._heard = heard

    def say(self, *lines: str) -> None:
        """Pass on troubles."""
        for line in lines:
            if line.startswith(_TROUBLE):
                self._heard.say(f"  {line}")

    def progress(self, report: dict[str, Any]) -> None:
        """Not told."""

    def quiet(self) -> None:
        """Nothing to end."""
