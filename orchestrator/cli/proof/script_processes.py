"""Starts a script in a process of its own, shows how far it is, and ends it with everything that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.errors import RunFailed
from orchestrator.kernel.environment.children import program_guard

_POLL_S = 0.05
_SHOW_EVERY_S = 15.0
_GRACE_S = 5.0
_TAIL_LINES = 15
_WINDOWS = os.name == "nt"
_NEW_GROUP = 0x00000200 if _WINDOWS else 0  # CREATE_NEW_PROCESS_GROUP


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptExit:
    """How a process of a script ended.

    Attributes:
        code: Exit code, negative for a signal.
        out: File of its standard output.
        err: File of its standard error.
    """

    code: int
    out: Path
    err: Path

    @property
    def was_killed(self) -> bool:
        """Whether it ended by kill -9; Windows gives the number of the signal as exit code."""
        return self.code in ((signal.SIGTERM,) if _WINDOWS else (-9, 137))

    @property
    def last_line(self) -> str:
        """Last line of standard output that is not empty."""
        return next((line for line in reversed(_lines(self.out)) if line.strip()), "")

    def said(self, mark: str) -> tuple[str, ...]:
        """Lines of standard error that contain a text."""
        return tuple(line for line in _lines(self.err) if mark in line)

    def tail(self) -> str:
        """The end of its output, standard error last."""
        return "\n".join(f"    {line}" for line in [*_lines(self.out), *_lines(self.err)][-_TAIL_LINES:])


class ScriptProcesses:
    """Runs a command again and again.

    Args:
        command: Interpreter, script and arguments.
        environ: Environment variables of every process.
        limit_s: Longest duration of one process.
        say: Prints a line.
    """

    def __init__(
        self, command: Sequence[str], *, environ: Mapping[str, str], limit_s: float, say: Callable[[str], None]
    ) -> None:
        self._command = list(command)
        self._environ = dict(environ)
        self._limit_s = limit_s
        self._say = say
        self._count = 0

    def run(self, folder: Path, variables: Mapping[str, str], progress: Callable[[], str]) -> ScriptExit:
        """Run to the end of one process.

        Args:
            folder: For its output.
            variables: Further environment variables.
            progress: Describes how far it is.

        Raises:
            RunFailed: It took longer than the limit.
        """
        self._count += 1
        out, err = folder / f"out-{self._count}.txt", folder / f"err-{self._count}.txt"
        with out.open("wb") as standard_out, err.open("wb") as standard_err, program_guard() as guard:
            # In a group of its own: Ctrl-C reaches this program alone, which then ends the script.
            child = subprocess.Popen(
                self._command,
                env={**self._environ, **variables},
                stdin=subprocess.DEVNULL,
                stdout=standard_out,
                stderr=standard_err,
                creationflags=_NEW_GROUP,
                **guard.of_program,
            )
            try:
                guard.started(child.pid)
                self._wait(child, progress)
            finally:
                if child.poll() is None:
                    _end(child)
        return ScriptExit(code=child.returncode, out=out, err=err)

    def _wait(self, child: subprocess.Popen[bytes], progress: Callable[[], str]) -> None:
        began_s = shown_s = time.monotonic()
        while child.poll() is None:
            time.sleep(_POLL_S)
            now_s = time.monotonic()
            if now_s - began_s > self._limit_s:
                raise RunFailed(
                    f"the script did not end within {self._limit_s:.0f} s ({progress()})",
                    remedy="Give --steps N for a shorter training, or a larger --limit-s.",
                )
            if now_s - shown_s >= _SHOW_EVERY_S:
                shown_s = now_s
                self._say(f"    {progress()}, {now_s - began_s:.0f} s")


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a process and what it started: first politely, so that it can end a program of its own."""
    child.terminate()
    try:
        child.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        child.kill()
    if not _WINDOWS:
        with suppress(ProcessLookupError, PermissionError):  # the whole group has ended
            os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines()
