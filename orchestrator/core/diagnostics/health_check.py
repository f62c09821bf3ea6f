"""The checks of `doctor`, and its exit code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.core.errors import EXIT_BAD_INPUT, EXIT_DONE, EXIT_REMOTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check and its result.

    Attributes:
        good: None if it cannot be checked from here.
        found: The result, for people.
        remedy: What to do about it, or what only the user can check.
        remote: Whether the cause is Kaggle or the account, not this computer.
    """

    name: str
    good: bool | None
    found: str
    remedy: str = ""
    remote: bool = False


def exit_code(checks: Sequence[Check]) -> int:
    """0 if all checks are good, 4 if only remote ones failed, 2 if this computer is at fault."""
    bad = [check for check in checks if check.good is False]
    if not bad:
        return EXIT_DONE
    return EXIT_REMOTE if all(check.remote for check in bad) else EXIT_BAD_INPUT
