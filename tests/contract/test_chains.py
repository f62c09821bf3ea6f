"""Long trainings on this computer and on the loopback Kaggle, each with a kill in the middle."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.chain_contract import ChainContract, Engine
from tests.doubles.kaggle_side import KEY, USER, far_settings, point_at_loopback
from tests.doubles.processes import living_after, supervisor_of
from tests.emulator.loopback import LoopbackKaggle, loopback_kaggle


def _kill_supervisor(root: Path, saved_steps: int) -> None:
    """kill -9 of the process that watches the session."""
    (sandbox,) = (root / ".orchestrator/local").glob("*-s02")
    supervisor = supervisor_of(sandbox)
    os.kill(supervisor, signal.SIGKILL)
    assert not living_after(30.0, [supervisor])


class TestLocal(ChainContract):
    """All tests of the contract."""

    @pytest.fixture
    def engine(self) -> Engine:
        return Engine(name="local", kill_daemon=_kill_supervisor, session_survives=True)


class TestKaggle(ChainContract):
    """All tests of the contract."""

    @pytest.fixture
    def kaggle(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackKaggle]:
        point_at_loopback(monkeypatch)
        with loopback_kaggle(tmp_path / "kaggle", settings=far_settings()) as service:
            service.accounts.add(USER, key=KEY)
            yield service

    @pytest.fixture
    def engine(self, kaggle: LoopbackKaggle) -> Engine:
        def kill(root: Path, saved_steps: int) -> None:
            kaggle.restart()

        return Engine(name="kaggle", kill_daemon=kill, session_survives=True)
