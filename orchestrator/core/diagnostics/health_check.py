"""One finding of the doctor, and what all of them come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.core.errors import EXIT_BAD_INPUT, EXIT_DONE, EXIT_REMOTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What was looked at, whether it is well, and what to do.

    Attributes:
        good: None where nobody can tell from here.
        found: In the user's words.
        remedy: What to do if it is not well, or what the user alone can see.
        remote: Whether the far side or the account is at fault, rather than this computer.
    """

    name: str
    good: bool | None
    found: str
    remedy: str = ""
    remote: bool = False


def exit_code(checks: Sequence[Check]) -> int:
    """0 if all is well, 4 if the far side is at fault, 2 if this computer is."""
    bad = [check for check in checks if check.good is False]
    if not bad:
        return EXIT_DONE
    return EXIT_REMOTE if all(check.remote for check in bad) else EXIT_BAD_INPUT
