"""Result of the check of one environment."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Result of the check of one environment.

    Attributes:
        name: Its class, without wrappers.
        fault: What differs after a restore; empty if nothing does.
        unchecked: Why nothing, or not all of it, was checked; empty if all was.
        replay_step_ms: Milliseconds that a resume takes for each step of the running episode, None if it repeats none.
    """

    name: str
    fault: str = ""
    unchecked: str = ""
    replay_step_ms: float | None = None

    @property
    def lost(self) -> list[str]:
        """What makes a resume inexact, for a card."""
        return [f"{self.name}: {self.fault}"] if self.fault else []

    @property
    def line(self) -> str:
        """The result in words, for a card."""
        if self.fault:
            return f"{self.name}: differs: {self.fault}"
        return f"{self.name}: not checked: {self.unchecked}" if self.unchecked else f"{self.name}: exact"
