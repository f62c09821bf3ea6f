"""A clock that moves only when it sleeps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class FakeClock:
    def __init__(self) -> None:
        self._start = datetime(2026, 1, 1, tzinfo=UTC)
        self.slept_s = 0.0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.slept_s)

    def monotonic(self) -> float:
        return self.slept_s

    def sleep(self, seconds: float) -> None:
        self.slept_s += seconds
