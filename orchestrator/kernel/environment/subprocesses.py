"""Runs another program to its end or to a time limit, and keeps the end of its output."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_LAST_LINES = 8
_LINE_CHARS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """Result of a program.

    Attributes:
        exit_code: None if it did not end in time or could not be started.
        out: Its standard output.
        err: Its standard error, or why it has no exit code.
    """

    exit_code: int | None
    out: str = ""
    err: str = ""

    @property
    def summary(self) -> str:
        """The last lines of its output, and an exit code other than 0 and 1; never empty."""
        lines = [line.rstrip()[:_LINE_CHARS] for line in (self.err or self.out).splitlines() if line.strip()]
        if not lines or self.exit_code not in (0, 1, None):
            lines.append(f"it ended with exit code {self.exit_code}")
        return "\n".join(lines[-_LAST_LINES:])


Runner = Callable[[Sequence[str], float], Ran]
"""Runs a command (argument list) for at most so many seconds."""


def run_bounded(command: Sequence[str], limit_s: float) -> Ran:
    """Run a program without input; kill it at the limit."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=limit_s, check=False)
    except subprocess.TimeoutExpired as late:
        output = _text(late.stderr) or _text(late.stdout)
        return Ran(exit_code=None, err=f"{output}\nit did not end within {limit_s:.0f} s")
    except OSError as fault:
        return Ran(exit_code=None, err=f"{command[0]!r} could not be started: {fault}")
    return Ran(exit_code=done.returncode, out=_text(done.stdout), err=_text(done.stderr))


def _text(output: bytes | None) -> str:
    return (output or b"").decode("utf-8", "replace")
