"""How long a command stays with what takes time."""

from __future__ import annotations

from enum import Enum


class WaitPolicy(Enum):
    """One loop, three paces: `run` stays, a tick of a campaign leaves where `run` would wait."""

    WAIT = "stay"
    """Wait for the end of a session, for a slot, for the quota."""
    ONE_STEP = "step"
    """Bring home what has ended, start the next session if that can be done now, and leave."""
    COLLECT_ONLY = "look"
    """Bring home what has ended; start nothing."""
