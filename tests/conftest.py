"""Guards for every test: no home, no credentials, no user state. Sockets are blocked by the pytest options.

And what parallel workers (`make test`) must not tear apart.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest

PROJECT_ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _guarded(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
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
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep together what shares something: a file its fixtures, users of the loopback service its one port.

    The port is a lock of its own (who finds it taken waits), but one test looks on while nobody serves there. Marks
    would do, if pytest-xdist 3.8 could still write them into the test ids of pytest 9.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByWhatIsShared(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            path = nodeid.partition("::")[0]
            return "port 7777" if _uses_the_port(path) else path

    return ByWhatIsShared(config, log)


@functools.cache
def _uses_the_port(path: str) -> bool:
    return "loopback_kaggle" in (PROJECT_ROOT / path).read_text(encoding="utf-8")
