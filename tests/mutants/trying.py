"""Runs the tests of a room on its mutants. Each mutant is a fork of one warm process: no interpreter starts again.

A change within one function is made in the imported module, after the tests were collected. For any other change our
own modules are imported again.
"""

from __future__ import annotations

import math
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_loader
from types import CodeType

import pytest

from tests.mutants.in_place import changed_function, put_in_place
from tests.mutants.mutations import Mutant

_OURS = ("orchestrator", "validation_ch7", "tests", "conftest")
_LONGEST_S = 300
_BASE_CPU_S, _CPU_FACTOR = 2.0, 3.0
"""A mutant may take so many CPU seconds, and so many times those of the unchanged code; then it loops."""


class Mutated(SourceFileLoader):
    """Loads a file with other code."""

    def __init__(self, name: str, mutant: Mutant) -> None:
        super().__init__(name, str(mutant.path))
        self._source = mutant.source

    def get_code(self, fullname: str) -> CodeType | None:
        """The mutant, compiled."""
        return compile(self._source, self.path, "exec", dont_inherit=True)


class Finder:
    """Finds the mutated module before the import system finds the file."""

    def __init__(self, module: str, mutant: Mutant) -> None:
        self._module = module
        self._mutant = mutant

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """The mutant's spec, None for every other module."""
        if name != self._module:
            return None
        return spec_from_loader(name, Mutated(name, self._mutant))


class Room:
    """The tests of one module, and which mutants they have let live.

    Args:
        module: Name of the module.
        tests: Arguments for pytest.
        seen: Called after each mutant: whether it was killed.
        alive: Numbers of the mutants for which every test passes.
    """

    def __init__(
        self, module: str, tests: Sequence[str], mutants: Sequence[Mutant], seen: Callable[[bool], None]
    ) -> None:
        self._module = module
        self._tests = tests
        self._mutants = mutants
        self._seen = seen
        self._later: list[int] = []
        self._collected = False
        self._tried = 0
        self._limit_s = _LONGEST_S
        self.alive: list[int] = []

    def try_all(self) -> None:
        """Try every mutant.

        Raises:
            RuntimeError: A test fails although nothing is changed.
        """
        os.fsync = lambda descriptor: None  # no power is cut here, and this process ends with the room
        with tempfile.TemporaryDirectory() as folder:
            arguments = (
                "-x",
                "-q",
                "-p",
                "no:xdist",
                "--capture=no",
                "--hypothesis-seed=0",
                f"--basetemp={folder}/base",
            )
            self._pytest(arguments, [self])
            if not self._collected:
                raise RuntimeError(f"the tests cannot be collected: {' '.join(self._tests)}")
            if self._tried + len(self._later) < len(self._mutants):
                raise RuntimeError(f"not every mutant of {self._module} was tried")
            for name in [name for name in sys.modules if _is_ours(name)]:
                del sys.modules[name]
            for number in self._later:
                finder = Finder(self._module, self._mutants[number])
                self._count(number, _fork(lambda: self._afresh(finder, arguments), self._limit_s + 10))  # noqa: B023 called at once

    def _afresh(self, finder: Finder, arguments: Sequence[str]) -> int:
        sys.meta_path.insert(0, finder)  # type: ignore[arg-type]  # it has the one method that Python calls
        return self._pytest(arguments, [])

    def _pytest(self, arguments: Sequence[str], plugins: list[object]) -> int:
        return int(pytest.main([*arguments, *self._tests], plugins=plugins))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the collected tests once for each mutant, in place of once."""
        self._collected = bool(session.items) and not session.testsfailed
        before_s = _spent_by_children_s()
        if _fork(lambda: _run(session)):
            raise RuntimeError(f"a test of {self._module} fails without a mutant")
        self._limit_s = math.ceil(_BASE_CPU_S + _CPU_FACTOR * (_spent_by_children_s() - before_s))
        original = self._mutants[0].path.read_text(encoding="utf-8") if self._mutants else ""
        for number, mutant in enumerate(self._mutants):
            name = changed_function(original, mutant)
            killed = None if name is None else self._killed(session, mutant, name)
            if killed is None:
                self._later.append(number)
            else:
                self._count(number, killed)
        return True

    def _killed(self, session: pytest.Session, mutant: Mutant, name: str) -> bool | None:
        module = sys.modules.get(self._module)
        if module is None or not put_in_place(module, mutant, name, dry=True):
            return None

        def act() -> int:
            put_in_place(module, mutant, name)
            return _run(session)

        return _fork(act, self._limit_s)

    def _count(self, number: int, killed: bool) -> None:
        if not killed:
            self.alive.append(number)
        self._tried += 1
        self._seen(killed)


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] in _OURS and not name.startswith(str(__package__))


class _FirstFailure:
    """Ends the process at the first failure."""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            os._exit(1)


def _spent_by_children_s() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def _run(session: pytest.Session) -> int:
    session.config.pluginmanager.register(_FirstFailure())
    following = [*session.items[1:], None]
    for item, after in zip(session.items, following, strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
    return 0


def _fork(act: Callable[[], int], limit_s: int = _LONGEST_S) -> bool:
    """Act in a process of its own; whether that failed, took too long or crashed."""
    if pid := os.fork():
        return os.waitpid(pid, 0)[1] != 0
    code = 1
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s))
        signal.alarm(_LONGEST_S)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        code = act()
    finally:
        os._exit(code)
