"""A fake machine: installed libraries, a pip that can fail, a device probe. No process, no network."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.kernel.environment.machine import Machine
from orchestrator.kernel.environment.subprocesses import Ran


class FakeMachine:
    """Keeps the commands that it was asked to run.

    Args:
        installed: Canonical name -> version.
        pip: Result of pip; with exit code 0 the pins on its command line are installed.
        probe: Result of the device probe.
    """

    def __init__(
        self, installed: dict[str, str] | None = None, *, pip: Ran | None = None, probe: Ran | None = None
    ) -> None:
        self.installed = dict(installed or {})
        self.ran: list[list[str]] = []
        self.limits_s: list[float] = []
        self.imported_from: list[object] = []
        self._pip = pip or Ran(exit_code=0)
        self._probe = probe

    @property
    def face(self) -> Machine:
        """The interface that the preflight uses."""
        return Machine(
            run=self._run,
            versions=lambda: dict(self.installed),
            import_from=self.imported_from.extend,
            interpreter="python",
        )

    def _run(self, words: Sequence[str], limit_s: float) -> Ran:
        self.ran.append(list(words))
        self.limits_s.append(limit_s)
        if words[1] == "-c":
            assert self._probe is not None, "this test gives no probe result"
            return self._probe
        if self._pip.exit_code == 0:
            self.installed |= dict(word.split("==") for word in words if "==" in word)
        return self._pip
