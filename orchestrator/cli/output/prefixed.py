"""Many runs at once speak through one narrator: each line bears its trial's name, and routine is left out."""

from __future__ import annotations

from typing import Any

from orchestrator.core.checkpoint.log_messages import TAG
from orchestrator.ports import Narrator

_ROUTINE = ("Found session", TAG)
_WORTH_TELLING = ("INCOMPATIBILITY", "  - ", "Walking back", "emptied", "Other checkpoints")


class PrefixedOutput:
    """One trial's.

    Args:
        name: First eight characters of its lineage.
        narrator: Through whom it speaks.
    """

    def __init__(self, name: str, narrator: Narrator) -> None:
        self._name = name
        self._narrator = narrator

    def say(self, *lines: str) -> None:
        """Whole lines, the routine of a session left out: how it stands is in the table."""
        for line in lines:
            if not line.startswith(_ROUTINE) or any(word in line for word in _WORTH_TELLING):
                self._narrator.say(f"[{self._name}] {line}")

    def progress(self, report: dict[str, Any]) -> None:
        """A tick does not stay to see any."""

    def quiet(self) -> None:
        """There is no progress display to end."""
