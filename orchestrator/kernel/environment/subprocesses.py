"""Another program, run to its end or to a time limit, and what it said last."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_LAST_LINES = 8
_LINE_CHARS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a program ended.

    Attributes:
        exit_code: None when it did not end in time, or could not be started.
        out: Its standard output.
        err: Its standard error, or why there is none.
    """

    exit_code: int | None
    out: str = ""
    err: str = ""

    @property
    def last_words(self) -> str:
        """The end of what it said, and how it ended where it had no say in that; never empty."""
        lines = [line.rstrip()[:_LINE_CHARS] for line in (self.err or self.out).splitlines() if line.strip()]
        if not lines or self.exit_code not in (0, 1, None):
            lines.append(f"it ended with {self.exit_code}")
        return "\n".join(lines[-_LAST_LINES:])


Runner = Callable[[Sequence[str], float], Ran]
"""Runs these words for at most that many seconds."""


def run_bounded(words: Sequence[str], limit_s: float) -> Ran:
    """Run a program without input; kill it at the limit."""
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=limit_s, check=False)
    except subprocess.TimeoutExpired as late:
        said = _text(late.stderr) or _text(late.stdout)
        return Ran(exit_code=None, err=f"{said}\nit did not end within {limit_s:.0f} s")
    except OSError as fault:
        return Ran(exit_code=None, err=f"{words[0]!r} could not be started: {fault}")
    return Ran(exit_code=done.returncode, out=_text(done.stdout), err=_text(done.stderr))


def _text(said: bytes | None) -> str:
    return (said or b"").decode("utf-8", "replace")
