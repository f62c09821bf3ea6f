"""Narrators that pass on messages by their level."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from orchestrator.core.messages import Level, Message
from orchestrator.ports import Narrator


class Filtered:
    """Passes on messages of a level or above, with a prefix before each line. Progress is left out.

    Args:
        narrator: Receives the messages.
        least: The lowest level that is passed on.
        prefix: Before each line, for example the trial's name in a campaign.
    """

    def __init__(self, narrator: Narrator, *, least: Level, prefix: str) -> None:
        self._narrator = narrator
        self._least = least
        self._prefix = prefix

    def report(self, message: Message) -> None:
        """Pass a message on if its level is high enough."""
        if message.level >= self._least:
            lines = tuple(f"{self._prefix}{line}" for line in message.lines)
            self._narrator.report(replace(message, lines=lines))

    def progress(self, report: dict[str, Any]) -> None:
        """Not shown: a campaign has a table instead."""

    def quiet(self) -> None:
        """There is no progress display to end."""


def for_trial(name: str, narrator: Narrator) -> Filtered:
    """The narrator of one trial of a campaign.

    Args:
        name: First eight characters of its lineage id.
        narrator: The campaign's.
    """
    return Filtered(narrator, least=Level.INFO, prefix=f"[{name}] ")


def for_proof(narrator: Narrator) -> Filtered:
    """The narrator of the small runs of a resume proof: warnings only."""
    return Filtered(narrator, least=Level.WARNING, prefix="  ")
