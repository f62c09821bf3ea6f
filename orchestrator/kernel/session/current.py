"""The session that this process runs, so that a section's code can find it without passing it along."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.kernel.session.context import SessionContext

_entered: list[SessionContext] = []


@contextmanager
def entered(context: SessionContext) -> Iterator[None]:
    """Make this the current session while the section runs."""
    _entered.append(context)
    try:
        yield
    finally:
        _entered.pop()


def current_context() -> SessionContext | None:
    """The current session, None outside of one."""
    return _entered[-1] if _entered else None
