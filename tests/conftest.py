"""Isolates every test from the user's home, credentials and settings, and groups tests for parallel workers.

The pytest options block sockets.
"""

from __future__ import annotations

import functools
import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.emulator import own_network

PROJECT_ROOT = Path(__file__).resolve().parents[1]

# Sessions of section 7.6 compile once for all tests, not each for itself. Numba reads the variable at its import.
os.environ["NUMBA_CACHE_DIR"] = str(PROJECT_ROOT / ".pytest_cache" / "numba")

# A shell that starts the tests in the background lets them ignore Ctrl-C, and so would each process that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _variables_stay() -> Iterator[None]:
    """Undo changes of variables by the tested code: a session in this process sets them, as does OpenCV's import."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(autouse=True)
def _isolated_from_user(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(home))
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("BACKEND", "TARGET_STEPS", "QUICK", "DEADLINE_S", "ROOT"):
        monkeypatch.delenv(f"ORCHESTRATOR_{name}", raising=False)


@pytest.fixture(scope="session")
def project_root() -> Path:
    """Folder of the project under test."""
    return PROJECT_ROOT


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(specs: list[Any]) -> None:
    """Give each worker its own network, where the system allows it, and so its own port for the loopback service."""
    if _workers_have_own_networks():
        for spec in specs:
            spec.python = shlex.join((sys.executable, own_network.__file__))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Run the tests of one file in one worker; where workers share a port, all files that use it in one worker.

    The port already serializes its users, because the second one waits; but one test needs the port to be unused.
    `xdist_group` marks would suffice if pytest-xdist 3.8 could still write them into the test ids of pytest 9.
    """
    from xdist.scheduler import LoadScopeScheduling

    class SharedResourceScheduling(LoadScopeScheduling):  # type: ignore[misc]  # the base class is untyped
        def _split_scope(self, nodeid: str) -> str:
            path = nodeid.partition("::")[0]
            return path if _workers_have_own_networks() or not _uses_the_port(path) else "port 7777"

    return SharedResourceScheduling(config, log)


_workers_have_own_networks = functools.cache(own_network.is_allowed)


@functools.cache
def _uses_the_port(path: str) -> bool:
    return "loopback_kaggle" in (PROJECT_ROOT / path).read_text(encoding="utf-8")
