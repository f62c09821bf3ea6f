"""Output that could not be written: a command goes on, and reports the loss once, at its end."""

from __future__ import annotations

_lost: list[OSError] = []


def note_lost(fault: OSError) -> None:
    """Note why a line could not be written. A closed pipe does not count: its reader left."""
    if not isinstance(fault, BrokenPipeError):
        _lost.append(fault)


def take_lost() -> OSError | None:
    """The first error noted since the last call, None without one."""
    found = _lost[0] if _lost else None
    _lost.clear()
    return found
