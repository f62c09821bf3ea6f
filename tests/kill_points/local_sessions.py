"""Scenarios of the local backend: `run`, `cancel`, and its supervisor. Kernels are doubles that compute at once."""

from __future__ import annotations

import io
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import chdir, contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

from orchestrator.backends.local import backend, supervisor
from orchestrator.backends.local.backend import LocalBackend
from orchestrator.backends.local.sandbox import Sandbox, read_json
from orchestrator.core.errors import BadInput
from orchestrator.core.section.kaggle import KaggleSettings
from orchestrator.core.session.script import tickets_in
from orchestrator.kernel.checkpoint.card import CheckpointCard, read_card
from orchestrator.kernel.files.atomic import write_json
from orchestrator.kernel.wire import Ticket
from orchestrator.pipeline.control.cancel import cancel_sessions
from tests.doubles.clock import FakeClock
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


class LocalCancel(LocalRun):
    """`cancel` of a session on this computer: it saves, and is collected and restored; then `run` to the target."""

    name = "cancel-local"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        with self.observer.paused(), self.processes(), patch.object(self, "_supervised", self._begin):
            self.run(detach=True)
        self.account.clock.sleep(600.0)

    def act(self) -> None:
        with self.processes(), self.context() as context:
            cancel_sessions(context, self.card)

    def go_on(self) -> None:
        try:
            self.act()
        except BadInput as nothing:
            if "in flight" not in str(nothing):
                raise
        super().act()

    @contextmanager
    def processes(self) -> Iterator[None]:
        """The session in flight goes on while the command waits; it holds its locks until it has ended."""
        sleep = FakeClock.sleep

        def slept(clock: FakeClock, seconds: float) -> None:
            sleep(clock, seconds)
            with self.observer.elsewhere():
                for path in (self.project.own / "local").iterdir():
                    _stop_if_asked(Sandbox(root=path))

        alive = patch.object(backend, "held", lambda lock: _in_flight(Sandbox(root=lock.parent)))
        with super().processes(), patch.object(FakeClock, "sleep", slept), alive:
            yield

    def _begin(self, root: Path) -> Any:
        """The session begins and saves once."""
        sandbox = Sandbox(root=root)
        (ticket,) = tickets_in(sandbox.script.read_text(encoding="utf-8"))
        write_json(sandbox.submitted, {"nonce": ticket.nonce, "at": self.account.clock.now().isoformat()})
        sandbox.kernel_begun.touch()
        _train(sandbox.working, ticket, "die", sandbox.input)
        return _Started()


def _in_flight(sandbox: Sandbox) -> bool:
    return sandbox.kernel_begun.exists() and not sandbox.ended.exists()


def _stop_if_asked(sandbox: Sandbox) -> None:
    """A session that is asked to stop saves at its next boundary and ends; the supervisor records it."""
    if not sandbox.cancel.exists() or not _in_flight(sandbox):
        return
    (ticket,) = tickets_in(sandbox.script.read_text(encoding="utf-8"))
    card = max((read_card(path) for path in sandbox.working.rglob("*_steps.json")), key=lambda one: one.steps)
    _save(sandbox.working, ticket, card.steps + 10, card)
    _commit(sandbox.working, ticket, 0, card.steps + 10)
    write_json(sandbox.ended, {"exit_code": 0, "reason": "cancelled", "at": "2026-01-01T00:00:00+00:00"})


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


LOCAL = (LocalRun, LocalCancel, Supervisor, SupervisorAndKernel)
