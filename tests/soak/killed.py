"""Ticks in a program of their own that is killed at any of its steps: a real process, so nothing is tidied up."""

from __future__ import annotations

import os
import pickle
import sys
import traceback
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from orchestrator.core.ledger.events import Event
from orchestrator.stores.ledger.sqlite import SqliteLedger
from tests.soak.service import Service

KILLED = 137
POSSIBLE = hasattr(os, "fork")

_FILE_EVENTS = frozenset({"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.listdir", "shutil.rmtree"})
"""Audit events of the interpreter that count as steps; `os.replace` raises `os.rename`."""


class KillableTicks:
    """Starts programs that tick once and are killed after a number of steps: requests, ledger events, file operations.

    They are forked from a process without an open ledger: SQLite's connections must not be inherited.

    Args:
        tick: Ticks once with a service, in a new program; receives what to call at each request.
        folder: For the service, while another program has it.
    """

    def __init__(self, tick: Callable[[Service, Callable[[], None]], None], folder: Path) -> None:
        self._tick = tick
        self._state = folder / "service.pickle"
        self._orders, self._answers = os.pipe(), os.pipe()
        self._pid = os.fork()
        if not self._pid:
            self._serve()
        os.close(self._orders[0])
        os.close(self._answers[1])
        self._write, self._read = os.fdopen(self._orders[1], "wb", 0), os.fdopen(self._answers[0], "rb", 0)

    def tick(self, service: Service, after: int) -> bool:
        """Tick with this service; returns whether the program was killed before its end."""
        _store(service, self._state)
        self._write.write(f"{after}\n".encode())
        code = int(self._read.readline() or b"-1")
        if code not in (0, KILLED):
            raise AssertionError(f"a tick in a new program ended with exit code {code}")
        left = _load(self._state)
        service.clock.slept_s = left.clock.slept_s
        service.__dict__.update({**left.__dict__, "clock": service.clock})  # this program keeps its clock
        return code == KILLED

    def close(self) -> None:
        """End the process from which the programs are forked."""
        self._write.close()
        self._read.close()
        os.waitpid(self._pid, 0)

    def _serve(self) -> NoReturn:
        os.close(self._orders[1])
        orders, answers = os.fdopen(self._orders[0], "rb", 0), self._answers[1]
        while order := orders.readline():
            if not (pid := os.fork()):
                self._run(int(order))
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            os.write(answers, f"{code}\n".encode())
        os._exit(0)

    def _run(self, after: int) -> NoReturn:
        try:
            service = _load(self._state)
            steps = _Steps(after, service, self._state)
            with steps.counted():
                self._tick(service, steps.step)
            _store(service, self._state)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)


class _Steps:
    """Counts the steps of this program, and kills it at one of them."""

    def __init__(self, left: int, service: Service, state: Path) -> None:
        self._left = left
        self._service = service
        self._state = state
        self._counts = False

    @contextmanager
    def counted(self) -> Any:
        record = SqliteLedger.record

        def recorded(ledger: SqliteLedger, *events: Event) -> None:
            self.step()
            record(ledger, *events)
            self.step()

        SqliteLedger.record = recorded  # type: ignore[method-assign]  # replaced for this test
        sys.addaudithook(self._audit)
        self._counts = True
        yield
        self._counts = False

    def step(self) -> None:
        if not self._counts:
            return
        self._left -= 1
        if self._left <= 0:
            self._counts = False
            _store(self._service, self._state)
            os._exit(KILLED)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._counts or event not in _FILE_EVENTS:
            return
        path = arguments[0] if arguments else ""
        # The service is another machine: it is not killed while it writes its own files.
        if isinstance(path, str | os.PathLike) and not Path(path).is_relative_to(self._service.folder):
            self.step()


def _store(service: Service, path: Path) -> None:
    with path.open("wb") as stream:
        _dump(service, stream)


def _dump(service: Service, stream: BinaryIO) -> None:
    pickle.dump(service, stream)


def _load(path: Path) -> Service:
    loaded: Service = pickle.loads(path.read_bytes())  # noqa: S301 our own file
    return loaded
