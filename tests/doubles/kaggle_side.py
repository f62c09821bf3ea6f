"""The real Kaggle backend on the loopback service, assembled as in the wiring."""

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


class ShortSleepClock:
    """Real time, but a sleep lasts at most 0.05 s; `slept_s` adds up the requested seconds."""

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


class FastForwardClock(ShortSleepClock):
    """A sleep returns at once and moves the clock forward by the requested seconds."""

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.slept_s)

    def monotonic(self) -> float:
        return super().monotonic() + self.slept_s

    def sleep(self, seconds: float) -> None:
        self.before_sleep(seconds)
        self.slept_s += seconds


def far_settings(**traits: object) -> Settings:
    """Settings of the loopback service, with the literal path /kaggle where possible; CI requires it."""
    literal = namespace_command() is not None or bool(os.environ.get("CI"))
    # Keyword arguments of several types.
    return Settings(override=None if literal else ROOT_VARIABLE, **traits)  # type: ignore[arg-type]


def point_at_loopback(monkeypatch: pytest.MonkeyPatch, *, key: str = KEY) -> None:
    """Point the unmodified client at the loopback service, as one account."""
    for name, value in loopback_variables(key=key).items():
        monkeypatch.setenv(name, value)


def loopback_variables(*, key: str = KEY) -> dict[str, str]:
    """The same settings as environment variables for another process."""
    return {"KAGGLE_API_ENVIRONMENT": "TEST", "KAGGLE_USERNAME": USER, "KAGGLE_KEY": key}


def kaggle_backend(settings: KaggleSettings | None = None, clock: ShortSleepClock | None = None) -> KaggleBackend:
    """The backend for the account in the environment variables."""
    clock = clock or ShortSleepClock()
    retry = Retry(clock, random.Random(0).uniform)
    account = sign_in(candidates(home=Path.home()), now=clock.now, retry=retry)
    storage = DatasetsApi(account.connection, account.name, retry)
    api = KaggleApi(account.connection, account.name, retry)
    return KaggleBackend(api, CheckpointDataset(storage, clock), settings or KaggleSettings(device="cpu"), retry)
