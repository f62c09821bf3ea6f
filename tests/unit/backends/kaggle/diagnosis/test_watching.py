"""A session that ends between the look at its state and the look at its log has no live log that ended by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

import pytest

from orchestrator.backends.kaggle.client.api import KaggleApi
from orchestrator.backends.kaggle.client.log_parser import STORED
from orchestrator.backends.kaggle.diagnosis.watching import Watcher
from orchestrator.ports import Clock


class _Account:
    account = "ana"

    def __init__(self, stored: bool) -> None:
        self._stored = stored
        self._states = iter(["RUNNING", "COMPLETE"])

    def status(self, owner: str, slug: str) -> tuple[str, str]:
        return next(self._states), ""

    def log_events(self, owner: str, slug: str) -> Iterator[Mapping[str, Any]]:
        mark = {STORED: True} if self._stored else {}
        yield from ({"data": f"line {number}\n", **mark} for number in range(3))


class _Clock:
    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        return None


@pytest.mark.parametrize("stored", [False, True])
def test_a_stored_log_is_no_stream_that_ended(stored: bool) -> None:
    watcher = Watcher(cast(KaggleApi, _Account(stored)), cast(Clock, _Clock()), patience_s=60.0)
    seen = watcher.watch("probe")
    assert seen.lines == ["line 0", "line 1", "line 2"]
    assert (seen.stream_ended, len(seen.arrivals_s)) == ((False, 0) if stored else (True, 3))
