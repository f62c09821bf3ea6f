"""Runs the tests of a room on its mutants. Each mutant is a fork of one warm process: no interpreter starts again."""

from __future__ import annotations

import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_loader
from types import CodeType

import pytest

from tests.mutants.mutations import Mutant

_OURS = ("orchestrator", "validation_ch7", "tests", "conftest")
_LONGEST_S = 300
_BASE_CPU_S, _CPU_FACTOR = 10, 4


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


def survivors(module: str, tests: Sequence[str], mutants: Sequence[Mutant], seen: Callable[[bool], None]) -> list[int]:
    """Numbers of the mutants for which every test passes.

    Args:
        module: Name of the mutated module.
        tests: Arguments for pytest.
        seen: Called after each mutant: whether it was killed.

    Raises:
        RuntimeError: A test fails although nothing is changed.
    """
    with tempfile.TemporaryDirectory() as folder, _warm(tests, folder) as spent_s:
        alive = []
        if _fork(lambda: _tested(tests, folder), spent_s):
            raise RuntimeError(f"the tests of {module} fail without a mutant: {' '.join(tests)}")
        for number, mutant in enumerate(mutants):
            if not (killed := _fork(lambda: _with(module, mutant, tests, folder), spent_s)):  # noqa: B023 called at once
                alive.append(number)
            seen(killed)
        return alive


@contextmanager
def _warm(tests: Sequence[str], folder: str) -> Iterator[float]:
    """Import what the tests import, keep the libraries, and forget our own modules; yields the CPU seconds."""
    began_s = time.process_time()
    if code := _tested(tests, folder):
        raise RuntimeError(f"pytest ends with {code} without a mutant: {' '.join(tests)}")
    for name in [name for name in sys.modules if name.partition(".")[0] in _OURS and not name.startswith(__package__)]:
        del sys.modules[name]
    yield time.process_time() - began_s


def _with(module: str, mutant: Mutant, tests: Sequence[str], folder: str) -> int:
    sys.meta_path.insert(0, Finder(module, mutant))  # type: ignore[arg-type]
    return _tested(tests, folder)


def _tested(tests: Sequence[str], folder: str) -> int:
    arguments = ("-x", "-q", "-p", "no:xdist", "--hypothesis-seed=0", f"--basetemp={folder}/base")
    return int(pytest.main([*arguments, *tests]))


def _fork(act: Callable[[], int], spent_s: float) -> bool:
    """Act in a process of its own; whether that failed, took too long or crashed."""
    if pid := os.fork():
        return os.waitpid(pid, 0)[1] != 0
    code = 1
    try:
        limit_s = _BASE_CPU_S + int(_CPU_FACTOR * spent_s)
        resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s))
        signal.alarm(_LONGEST_S)
        _silence()
        code = act()
    finally:
        os._exit(code)


def _silence() -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
