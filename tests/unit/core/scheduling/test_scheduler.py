"""Which trial starts next: fair by seed, until a long trial or a long chain decides when the campaign ends."""

from __future__ import annotations

import math

import pytest

from orchestrator.core.scheduling.scheduler import ListScheduler, ReadyTrial


def trial(index: int, **traits: float) -> ReadyTrial:
    values: dict[str, float] = {"priority": 0, "rank": 0, "started": False, "own_s": 1.0, "chain_s": 1.0, **traits}
    return ReadyTrial(
        index=index,
        priority=int(values["priority"]),
        rank=int(values["rank"]),
        started=bool(values["started"]),
        own_s=values["own_s"],
        chain_s=max(values["own_s"], values["chain_s"]),
    )


def scheduler(*trials: ReadyTrial, slots: int = 1, work_s: float = 1e6, open_s: float = 1e6) -> ListScheduler:
    return ListScheduler(trials, slots=slots, work_s=work_s, open_s=open_s)


def order(found: ListScheduler) -> list[int]:
    taken = []
    while (one := found.take()) is not None:
        taken.append(one.index)
    return taken


def test_priority_then_seed_then_started_then_the_longest_chain_then_the_place_decide() -> None:
    trials = [
        trial(0, rank=1),
        trial(1),
        trial(2, started=True),
        trial(3, chain_s=5.0),
        trial(4, chain_s=5.0),
        trial(5, rank=2, priority=1),
    ]
    assert order(scheduler(*trials)) == [5, 2, 3, 4, 1, 0]


def test_a_chain_that_decides_the_end_goes_before_the_fair_order() -> None:
    trials = [trial(0), trial(1, rank=3, chain_s=98.0)]
    assert order(scheduler(*trials, work_s=100.0)) == [1, 0]
    assert order(scheduler(*trials, work_s=100.1)) == [0, 1]
    assert order(scheduler(*trials, work_s=200.0, slots=2)) == [1, 0]


def test_a_trial_that_decides_the_end_of_the_open_work_goes_before_the_fair_order() -> None:
    trials = [trial(0), trial(1, rank=3, own_s=98.0)]
    assert order(scheduler(*trials, open_s=100.0)) == [1, 0]
    assert order(scheduler(*trials, open_s=100.1)) == [0, 1]
    assert order(scheduler(*trials, open_s=200.0, slots=2)) == [1, 0]


def test_of_equally_long_ones_the_fair_order_decides() -> None:
    trials = [trial(0, rank=1, chain_s=50.0), trial(1, chain_s=50.0), trial(2, chain_s=60.0, rank=2)]
    assert order(scheduler(*trials, work_s=1.0)) == [2, 1, 0]
    owns = [trial(0, rank=1, own_s=50.0), trial(1, own_s=50.0), trial(2, own_s=60.0, rank=2)]
    assert order(scheduler(*owns, open_s=1.0)) == [2, 1, 0]


def test_started_work_makes_a_chain_critical_and_opened_work_makes_it_less_so() -> None:
    found = scheduler(trial(0), trial(1, rank=3, chain_s=50.0), work_s=100.0, open_s=100.0)
    found.started(49.0)
    assert found.take() == trial(1, rank=3, chain_s=50.0)
    other = scheduler(trial(0), trial(1, rank=3, own_s=50.0), open_s=50.0)
    other.opened(50.0)
    assert other.take() == trial(0)


@pytest.mark.parametrize(("own_s", "first"), [(1.0, 0), (2.0, 1)])
def test_no_more_than_all_open_work_can_have_started(own_s: float, first: int) -> None:
    found = scheduler(trial(0, own_s=0.1, chain_s=0.1), trial(1, rank=3, own_s=own_s), open_s=10.0)
    found.started(11.0)
    found.opened(1.5)
    taken = found.take()
    assert taken is not None and taken.index == first


def test_no_more_than_all_work_can_have_started() -> None:
    found = scheduler(trial(0, own_s=0.1, chain_s=0.1), trial(1, rank=3, own_s=0.5, chain_s=0.5), work_s=10.0)
    found.started(1000.0)
    assert found.uninterrupted_s(trial(9)) == 0.0
    assert order(found) == [1, 0]


def test_a_trial_added_later_takes_its_place_in_every_order() -> None:
    found = scheduler(trial(0, rank=1))
    found.add(trial(1))
    found.add(trial(2, rank=2, chain_s=1e6))
    assert len(found) == 3
    assert order(found) == [2, 1, 0]
    assert len(found) == 0 and found.take() is None
    other = scheduler(trial(0, own_s=70.0), open_s=100.0)
    other.add(trial(1, rank=3, own_s=99.0))
    other.add(trial(2, rank=4, own_s=80.0))
    assert order(other) == [1, 0, 2]


def test_a_trial_keeps_its_slot_until_half_of_the_time_before_another_becomes_critical() -> None:
    taken = trial(9)
    found = scheduler(trial(0, rank=1, own_s=9.8, chain_s=49.0), slots=2, work_s=300.0, open_s=100.0)
    assert found.uninterrupted_s(taken) == pytest.approx(min(150.0 - 50.0, 50.0 - 10.0) / 2)
    chained = scheduler(trial(0, rank=1, own_s=9.8, chain_s=98.0), slots=2, work_s=300.0, open_s=1000.0)
    assert chained.uninterrupted_s(taken) == pytest.approx((150.0 - 100.0) / 2)
    two = (trial(0, rank=1, own_s=9.8, chain_s=49.0), trial(1, rank=1, own_s=4.9, chain_s=98.0))
    both = scheduler(*two, slots=2, work_s=300.0, open_s=1000.0)
    assert both.uninterrupted_s(taken) == pytest.approx((150.0 - 100.0) / 2)
    assert scheduler(*two, slots=2, work_s=3000.0, open_s=100.0).uninterrupted_s(taken) == pytest.approx(
        (50.0 - 10.0) / 2
    )
    assert scheduler(trial(0, rank=1, chain_s=98.0), work_s=90.0).uninterrupted_s(taken) == 0.0


def test_a_new_trial_of_its_own_priority_and_seed_goes_first_and_without_others_it_stays() -> None:
    taken = trial(9, rank=1)
    assert scheduler().uninterrupted_s(taken) == math.inf
    assert scheduler(trial(0, rank=1, started=True)).uninterrupted_s(taken) == 0.0
    assert scheduler(trial(0, rank=1)).uninterrupted_s(taken) > 0.0
    assert scheduler(trial(0, rank=2, started=True)).uninterrupted_s(taken) > 0.0
    assert scheduler(trial(0, rank=5, priority=1)).uninterrupted_s(taken) == 0.0
    assert scheduler(trial(0, rank=1, started=True), trial(1, rank=2)).uninterrupted_s(taken) == 0.0
    urgent = trial(9, rank=1, priority=1)
    assert scheduler(trial(0, started=True)).uninterrupted_s(urgent) > 0.0
