"""The Kaggle backend fulfils the contract, through the unmodified client and the loopback service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.backends.kaggle.session import live_log
from tests.contract.backend_contract import BackendContract, BackendHarness
from tests.doubles.kaggle_side import KEY, USER, far_settings, kaggle_backend, point_at_loopback
from tests.doubles.toy_section import make_toy_project
from tests.emulator.loopback import LoopbackKaggle, loopback_kaggle


@pytest.fixture
def kaggle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackKaggle]:
    point_at_loopback(monkeypatch)
    monkeypatch.setattr(live_log, "SILENCE_S", 0.5)
    with loopback_kaggle(tmp_path / "kaggle", settings=far_settings()) as service:
        service.accounts.add(USER, key=KEY)
        yield service


@pytest.fixture
def harness(tmp_path: Path, kaggle: LoopbackKaggle) -> BackendHarness:
    return BackendHarness(kaggle_backend(), make_toy_project(tmp_path / "project"))


class TestKaggle(BackendContract):
    """All tests of the contract."""
