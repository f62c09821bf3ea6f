"""Where `orchestrator prove` ends a process, and at which steps it records digests of the state.

The variables are internal: only `prove` sets them. Without them nothing here has an effect.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from orchestrator.kernel.outcome import SessionRefused

STOP_AT = "ORCHESTRATOR_STOP_AT_STEPS"
"""Steps, joined by commas. The process saves and leaves at the first safe boundary at or after the first of them
that lies above the steps it started from."""
KILL = "ORCHESTRATOR_KILL_AT_STOP"
"""Those of the steps in `STOP_AT` at which the process saves, trains one pass more, and kills itself."""
TRACE_AT = "ORCHESTRATOR_TRACE_AT_STEPS"
"""Steps, joined by commas. Digests are recorded at the first boundary at or after each of them."""
TRACE_FILE = "ORCHESTRATOR_TRACE_FILE"
"""The file for the digests; JSON lines."""
VARIABLES = (STOP_AT, KILL, TRACE_AT, TRACE_FILE)

# Windows has no SIGKILL; there `os.kill` ends the process at once whatever the number is.
_SIGKILL = getattr(signal, "SIGKILL", signal.SIGTERM)


class Cuts:
    """Decides where this process ends.

    Args:
        environ: Environment variables.
        start: Steps done before this process.
        kill: Ends this process at once.

    Raises:
        SessionRefused: A variable does not hold steps.
    """

    def __init__(
        self, environ: Mapping[str, str], start: int, *, kill: Callable[[], object] = lambda: _kill_myself()
    ) -> None:
        self._at = next((step for step in _steps(environ, STOP_AT) if step > start), None)
        self._kills = self._at in _steps(environ, KILL)
        self._kill = kill
        self._saved_at: int | None = None

    def wants_to_leave(self, step: int) -> bool:
        """Whether to save and leave after `step` steps."""
        return self._reached(step) and not self._kills

    def wants_save(self, step: int) -> bool:
        """Whether to save now, because the process will be killed after the next pass."""
        return self._reached(step) and self._kills and self._saved_at is None

    def saved(self, step: int) -> None:
        """Record a save."""
        if self.wants_save(step):
            self._saved_at = step

    def passed(self, step: int) -> None:
        """Kill this process if it has trained beyond the save of its cut."""
        if self._saved_at is not None and step > self._saved_at:
            self._kill()

    def never_kill(self) -> None:
        """Leave after a save instead."""
        self._kills = False

    def _reached(self, step: int) -> bool:
        return self._at is not None and step >= self._at


class Trace:
    """Writes digests of the state, one JSON line each.

    Args:
        environ: Environment variables.
        start: Steps done before this process; earlier steps are not due again.

    Raises:
        SessionRefused: A variable does not hold steps.
    """

    def __init__(self, environ: Mapping[str, str], start: int) -> None:
        path = environ.get(TRACE_FILE)
        self._path = Path(path) if path else None
        self._at_start = self.is_on
        self._left = [step for step in _steps(environ, TRACE_AT) if step > start] if path else []

    @property
    def is_on(self) -> bool:
        """Whether there is a file to write to."""
        return self._path is not None

    def is_due(self, step: int) -> bool:
        """Whether `step` is the first boundary at or after a step of the list; it answers yes once for each."""
        due = bool(self._left) and step >= self._left[0]
        while self._left and step >= self._left[0]:
            del self._left[0]
        return due

    def is_due_at_boundary(self, step: int) -> bool:
        """As `is_due`, and at the first boundary of a process: there it shows what a resume did not restore."""
        first, self._at_start = self._at_start, False
        return self.is_due(step) or first

    def write(self, line: Mapping[str, Any]) -> None:
        """Append one line.

        Raises:
            OSError: The file cannot be written.
        """
        if self._path is not None:
            with self._path.open("a", encoding="utf-8", newline="\n") as stream:
                stream.write(json.dumps(line, allow_nan=False) + "\n")


def joined(steps: Iterable[int]) -> str:
    """The value of a variable that holds steps."""
    return ",".join(str(step) for step in sorted(set(steps)))


def _steps(environ: Mapping[str, str], variable: str) -> list[int]:
    text = environ.get(variable, "").strip()
    try:
        return sorted({int(word) for word in text.split(",")}) if text else []
    except ValueError:
        raise SessionRefused(
            f"{variable} cannot be {text!r}", remedy=f"Unset {variable}; only prove uses it."
        ) from None


def _kill_myself() -> None:
    os.kill(os.getpid(), _SIGKILL)
