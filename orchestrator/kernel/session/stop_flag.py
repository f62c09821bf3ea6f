"""A request to stop, as a flag: a signal handler only sets it and does no other work."""

from __future__ import annotations

import os
import signal
import threading
from functools import cache
from types import FrameType

PAUSE_VARIABLE = "ORCHESTRATOR_STOP_PAUSES"
"""Set by a backend whose scheduler sends SIGTERM before its time limit: a session that it ends so is paused."""


class StopFlag:
    """Set by a signal; the training reads it at its next safe boundary."""

    def __init__(self) -> None:
        self._requested = False
        self._process = os.getpid()

    @property
    def requested(self) -> bool:
        """Whether the session was asked to stop."""
        return self._requested

    def request(self) -> None:
        """Ask the session to stop at its next safe boundary."""
        self._requested = True

    def listen(self) -> None:
        """Turn SIGTERM and SIGINT into this flag for the rest of the process."""
        keep_sigterm_at_forks()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            leave_fork(number)
        else:
            self.request()


def leave_fork(number: int) -> None:
    """Handle a signal in a worker process that inherited the handler by `fork`.

    SIGTERM ends it, as `Process.terminate()` expects; otherwise the parent would wait for it without end. Ctrl-C also
    goes to the parent, which still needs its workers to finish the step and save.
    """
    if number == signal.SIGTERM:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


class _Mask(threading.local):
    """Signal mask of a thread before the fork that is under way."""

    before: frozenset[int] | None = None

    def block(self) -> None:
        self.before = frozenset(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))

    def restore(self) -> None:
        before, self.before = self.before, None
        if before is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


_MASK = _Mask()


@cache
def keep_sigterm_at_forks() -> None:
    """From now on, a SIGTERM that reaches a new worker process before its first line is not lost.

    Python's handlers are inherited by `fork`, and Python forgets in the child what they received before it could run
    (`PyOS_AfterFork_Child`): `Process.terminate()` right after `start()` would have no effect.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_MASK.block, after_in_parent=_MASK.restore, after_in_child=_MASK.restore)
