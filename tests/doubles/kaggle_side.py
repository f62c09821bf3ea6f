"""The real Kaggle backend over the loopback service, by the same steps as the wiring."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.backends.kaggle.backend import KaggleBackend
from orchestrator.backends.kaggle.client.api import KaggleApi
from orchestrator.backends.kaggle.client.auth import sign_in
from orchestrator.backends.kaggle.client.credentials import candidates
from orchestrator.backends.kaggle.client.datasets_api import DatasetsApi
from orchestrator.backends.kaggle.client.retry import Retry
from orchestrator.backends.kaggle.session.checkpoint_dataset import CheckpointDataset
from orchestrator.core.section.kaggle import KaggleSettings
from tests.emulator.machine import namespace_command
from tests.emulator.settings import Settings

USER, KEY = "ana", "5ecre7-key-0f-ana"
ROOT_VARIABLE = "ORCHESTRATOR_KAGGLE_ROOT"


class HastyClock:
    """Real time, in which nobody sleeps for longer than a moment: the far side is real, its delays are counted."""

    def __init__(self) -> None:
        self.slept_s = 0.0
        self.before_sleep: Callable[[float], None] = lambda seconds: None

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        self.before_sleep(seconds)
        self.slept_s += seconds
        time.sleep(min(seconds, 0.05))


class LeapingClock(HastyClock):
    """The same, but what is slept passes: ten minutes of pauses are ten minutes later."""

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.slept_s)

    def monotonic(self) -> float:
        return super().monotonic() + self.slept_s

    def sleep(self, seconds: float) -> None:
        self.before_sleep(seconds)
        self.slept_s += seconds


def far_settings(**traits: object) -> Settings:
    """Settings of the loopback service: literal /kaggle where it can be had; in CI it must be had."""
    literal = namespace_command() is not None or bool(os.environ.get("CI"))
    return Settings(override=None if literal else ROOT_VARIABLE, **traits)  # type: ignore[arg-type]


def point_at_loopback(monkeypatch: pytest.MonkeyPatch, *, key: str = KEY) -> None:
    """Let the unmodified client speak to the loopback service, as one account."""
    for name, value in loopback_variables(key=key).items():
        monkeypatch.setenv(name, value)


def loopback_variables(*, key: str = KEY) -> dict[str, str]:
    """The same for a process of its own."""
    return {"KAGGLE_API_ENVIRONMENT": "TEST", "KAGGLE_USERNAME": USER, "KAGGLE_KEY": key}


def kaggle_backend(settings: KaggleSettings | None = None, clock: HastyClock | None = None) -> KaggleBackend:
    """The backend of the account in the environment."""
    clock = clock or HastyClock()
    retry = Retry(clock, random.Random(0).uniform)
    account = sign_in(candidates(home=Path.home()), now=clock.now, retry=retry)
    storage = DatasetsApi(account.connection, account.name, retry)
    api = KaggleApi(account.connection, account.name, retry)
    return KaggleBackend(api, CheckpointDataset(storage, clock), settings or KaggleSettings(device="cpu"), retry)
