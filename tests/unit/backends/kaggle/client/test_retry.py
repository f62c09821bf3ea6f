"""Questions are repeated with real jitter and in our own time; acts never come here."""

from __future__ import annotations

import random

import pytest

from orchestrator.backends.kaggle.client.errors import ServiceFault
from orchestrator.backends.kaggle.client.retry import Patience, Retry
from tests.doubles.clock import FakeClock


class Moody:
    """Fails with these faults, one after the other, then answers."""

    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)
        self.asked = 0

    def __call__(self) -> str:
        self.asked += 1
        if self.faults:
            raise self.faults.pop(0)
        return "answer"


def away(status: int | None = 503, retry_after_s: float | None = None) -> ServiceFault:
    return ServiceFault("x", status=status, message="", retry_after_s=retry_after_s)


def test_an_answer_that_comes_late_is_an_answer() -> None:
    clock, far = FakeClock(), Moody(away(), away(None), away(429))
    assert Retry(clock, random.Random(1).uniform)(far) == "answer"
    assert far.asked == 4
    assert 0 < clock.slept_s <= 1 + 2 + 4


def test_the_jitter_is_drawn_from_the_whole_width() -> None:
    pauses = []
    for draw in (0.0, 0.25, 1.0):
        clock = FakeClock()
        Retry(clock, lambda low, high, draw=draw: low + draw * (high - low))(Moody(away(), away()))  # type: ignore[misc]
        pauses.append(clock.slept_s)
    assert pauses == [0.0, 0.75, 3.0]


def test_it_never_asks_sooner_than_it_was_told() -> None:
    clock = FakeClock()
    Retry(clock, lambda low, high: low)(Moody(away(429, retry_after_s=45.0)))
    assert clock.slept_s == 45.0


def test_a_longer_wait_than_its_patience_is_told_and_not_slept_through() -> None:
    clock = FakeClock()
    with pytest.raises(ServiceFault) as fault:
        Retry(clock, lambda low, high: high)(Moody(away(429, retry_after_s=3600.0)))
    assert fault.value.wait_s == 3600.0
    assert clock.slept_s == 0.0


def test_what_repeating_cannot_mend_is_asked_once() -> None:
    for fault in (away(400), away(401), away(403), away(404), ValueError("ours")):
        far = Moody(fault)
        with pytest.raises(type(fault)):
            Retry(FakeClock(), lambda low, high: high)(far)
        assert far.asked == 1


def test_it_gives_up_after_its_attempts_and_after_its_time() -> None:
    far = Moody(*[away() for _ in range(50)])
    with pytest.raises(ServiceFault):
        Retry(FakeClock(), lambda low, high: high, Patience(attempts=4))(far)
    assert far.asked == 4
    clock, far = FakeClock(), Moody(*[away() for _ in range(50)])
    with pytest.raises(ServiceFault):
        Retry(clock, lambda low, high: high, Patience(attempts=50, give_up_s=20.0))(far)
    assert clock.slept_s <= 20.0 + 30.0
