"""Output that could not be written while a command went on: it is told at the command's end, not at each line."""

from __future__ import annotations

_lost: list[OSError] = []


def lose(fault: OSError) -> None:
    """Note why a line could not be written. A reader that went away is no loss."""
    if not isinstance(fault, BrokenPipeError):
        _lost.append(fault)


def first_loss() -> OSError | None:
    """Why the first line was lost since this was last asked, None if none was."""
    found = _lost[0] if _lost else None
    _lost.clear()
    return found
