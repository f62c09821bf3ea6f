"""Retry repeats read requests with random jitter on our clock; requests that change something are never retried."""

from __future__ import annotations

import random

import pytest

from orchestrator.backends.kaggle.client.errors import ServiceFault
from orchestrator.backends.kaggle.client.retry import Patience, Retry
from tests.doubles.clock import FakeClock


class Failing:
    """Raises these errors one after the other, then answers."""

    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.faults:
            raise self.faults.pop(0)
        return "answer"


def service_error(status: int | None = 503, retry_after_s: float | None = None) -> ServiceFault:
    return ServiceFault("x", status=status, message="", retry_after_s=retry_after_s)


def test_transient_errors_are_retried_until_an_answer_comes() -> None:
    clock, api = FakeClock(), Failing(service_error(), service_error(None), service_error(429))
    assert Retry(clock, random.Random(1).uniform)(api) == "answer"
    assert api.calls == 4
    assert 0 < clock.slept_s <= 1 + 2 + 4


def test_the_jitter_covers_the_whole_interval() -> None:
    pauses = []
    for draw in (0.0, 0.25, 1.0):
        clock = FakeClock()
        # The default binds the loop's value.
        Retry(clock, lambda low, high, draw=draw: low + draw * (high - low))(Failing(service_error(), service_error()))  # type: ignore[misc]
        pauses.append(clock.slept_s)
    assert pauses == [0.0, 0.75, 3.0]


def test_a_retry_waits_at_least_the_retry_after_time() -> None:
    clock = FakeClock()
    Retry(clock, lambda low, high: low)(Failing(service_error(429, retry_after_s=45.0)))
    assert clock.slept_s == 45.0


def test_a_retry_after_beyond_the_patience_is_raised_without_waiting() -> None:
    clock = FakeClock()
    with pytest.raises(ServiceFault) as fault:
        Retry(clock, lambda low, high: high)(Failing(service_error(429, retry_after_s=3600.0)))
    assert fault.value.wait_s == 3600.0
    assert clock.slept_s == 0.0


def test_a_permanent_error_is_not_retried() -> None:
    for fault in (service_error(400), service_error(401), service_error(403), service_error(404), ValueError("ours")):
        api = Failing(fault)
        with pytest.raises(type(fault)):
            Retry(FakeClock(), lambda low, high: high)(api)
        assert api.calls == 1


def test_retries_stop_after_the_most_attempts_and_after_the_time_limit() -> None:
    api = Failing(*[service_error() for _ in range(50)])
    with pytest.raises(ServiceFault):
        Retry(FakeClock(), lambda low, high: high, Patience(attempts=4))(api)
    assert api.calls == 4
    clock, api = FakeClock(), Failing(*[service_error() for _ in range(50)])
    with pytest.raises(ServiceFault):
        Retry(clock, lambda low, high: high, Patience(attempts=50, give_up_s=20.0))(api)
    assert clock.slept_s <= 20.0 + 30.0
