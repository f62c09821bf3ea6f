"""Scenarios of the local backend: `run`, and its supervisor. Kernels are doubles that compute at once."""

from __future__ import annotations

import io
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import chdir, contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

from orchestrator.backends.local import supervisor
from orchestrator.backends.local.backend import LocalBackend
from orchestrator.backends.local.sandbox import Sandbox, read_json
from orchestrator.core.section.kaggle import KaggleSettings
from orchestrator.core.session.script import tickets_in
from orchestrator.kernel.checkpoint.card import CheckpointCard, read_card
from orchestrator.kernel.wire import Ticket
from tests.kill_points.running import KaggleScenario
from tests.kill_points.scenario import DUPLICATED, LOST, WRONG, Fault
from tests.simulation.kaggle_outputs import _commit, _save

_SUPERVISOR = "orchestrator.backends.local.supervisor"


class _Stopped(BaseException):
    """The command is killed just before it starts the supervisor."""


class LocalRun(KaggleScenario):
    """`run` on this computer, in two sessions: what the command itself does, and that it starts two processes."""

    name = "run-local"
    first = "pause"

    def act(self) -> None:
        with self.processes():
            self.run_to_the_end()

    def go_on(self) -> None:
        self.act()

    def backend(self, settings: KaggleSettings) -> Any:
        return LocalBackend(self.project.own / "local")

    @contextmanager
    def processes(self) -> Iterator[None]:
        """Supervisors and kernels are functions here."""
        with patch.object(subprocess, "Popen", self._popen), patch.object(supervisor, "_report_ready", lambda: None):
            yield

    def _popen(self, command: list[str], **named: Any) -> Any:
        if _SUPERVISOR in command:
            return self._supervised(Path(command[-1]))
        return _Kernel(self, Path(command[-1]), Path(command[-4]), named["cwd"])

    def _supervised(self, sandbox: Path) -> Any:
        with self.observer.effect("process", f"start {sandbox.name}"), self.observer.elsewhere():
            _supervise(sandbox)
        return _Started()

    def push_faults(self) -> Iterator[Fault]:
        boxes = [Sandbox(root=path) for path in (self.project.own / "local").iterdir() if path.is_dir()]
        nonces = [str(plain["nonce"]) for box in boxes if (plain := read_json(box.submitted)) is not None]
        for nonce, count in Counter(nonces).items():
            if count > 1:
                yield DUPLICATED, f"{nonce} was started {count} times"
        trained = sum(any(box.working.rglob("*.zip")) for box in boxes)
        if trained != self.sessions:
            yield (DUPLICATED if trained > self.sessions else LOST), f"{trained} sessions trained: {sorted(nonces)}"
        if len(boxes) != trained:
            yield WRONG, f"{len(boxes) - trained} numbers of sessions were used for nothing"


class Supervisor(LocalRun):
    """The supervisor is killed; its kernel lives on and finishes. Then `run`."""

    name = "supervisor"
    first = "finish"
    sessions = 1

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        with self.observer.paused(), suppress(_Stopped), patch.object(self, "_supervised", _stop):
            super().act()
        (self.sandbox,) = (self.project.own / "local").iterdir()

    def act(self) -> None:
        with self.processes():
            _supervise(self.sandbox)

    def go_on(self) -> None:
        super().act()


class SupervisorAndKernel(Supervisor):
    """The supervisor is killed with its kernel, which had saved once. Then `run`."""

    name = "supervisor-and-kernel"
    first = "die"
    sessions = 2


def _supervise(sandbox: Path) -> None:
    with chdir(Path.cwd()):  # a supervisor goes into its sandbox
        supervisor.main(sandbox)


def _stop(sandbox: Path) -> None:
    raise _Stopped


class _Started:
    """A started supervisor, as the command sees it."""

    returncode: int | None = None

    def __init__(self) -> None:
        self.stdout = io.BytesIO(b"ready\n")


class _Kernel:
    """A kernel that has computed everything by the time it is waited for."""

    pid = 0

    def __init__(self, scenario: LocalRun, script: Path, begun: Path, working: Path) -> None:
        (ticket,) = tickets_in(script.read_text(encoding="utf-8"))
        self._fate = scenario.first if ticket.session == 1 else "finish"
        with scenario.observer.effect("process", "start kernel"), scenario.observer.elsewhere():
            begun.touch()
            _train(working, ticket, self._fate, working.parent / "input")

    def wait(self, timeout: float) -> int:
        return -9 if self._fate == "die" else 0


def _train(working: Path, ticket: Ticket, fate: str, mounted: Path) -> None:
    cards = [read_card(path) for path in mounted.rglob("*_steps.json")]
    card: CheckpointCard | None = max(cards, key=lambda one: one.steps, default=None)
    start, target = card.steps if card else 0, int(ticket.spec["target_steps"])
    done = target if fate == "finish" else start + 10
    for steps in range(start + 10, done + 1, 10):
        card = _save(working, ticket, steps, card)
    if fate != "die":
        _commit(working, ticket, start, done)


LOCAL = (LocalRun, Supervisor, SupervisorAndKernel)
