"""The scheduler is near the best possible, fair by seed, and minds quota, deadline and order."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from orchestrator.core.campaign.trial_status import trial_status
from orchestrator.core.reporting.forecast_report import forecast_campaign
from orchestrator.core.scheduling.forecast import WEEK_S, Allowance, forecast
from orchestrator.core.scheduling.scheduler import ListScheduler, ReadyTrial
from orchestrator.core.scheduling.workload import RemainingWork
from orchestrator.core.session.time_budget import granted_s
from tests.simulation.campaigns import SMALL, expanded


def load(index: int, hours: float = 4.0, **traits: object) -> RemainingWork:
    plain: dict[str, object] = {
        "index": index,
        "group": "main",
        "priority": 0,
        "rank": 0,
        "started": False,
        "train_s": hours * 3600,
        "session_s": 9 * 3600.0,
        "start_s": 120.0,
        "save_s": 180.0,
        **traits,
    }
    return RemainingWork(**plain)  # type: ignore[arg-type]


def generated(number: int) -> tuple[list[RemainingWork], int]:
    """A campaign of any shape: up to ten variants of up to ten seeds, some behind others."""
    draw = random.Random(number)
    loads: list[RemainingWork] = []
    for _ in range(draw.randint(3, 10)):
        hours, group = draw.uniform(2.0, 60.0), draw.choice(["main", "later"])
        after = ("main",) if group == "later" else ()
        for rank in range(draw.randint(3, 10)):
            loads.append(load(len(loads), hours, group=group, after=after, rank=rank, priority=draw.choice([0, 0, 1])))
    return loads, draw.choice([2, 2, 3, 5])


@pytest.mark.parametrize("number", range(10))
def test_the_makespan_is_within_five_percent_of_what_no_order_can_beat(number: int) -> None:
    loads, slots = generated(number)
    ahead = forecast(loads, slots=slots)
    assert ahead.unfinished == ()
    assert ahead.makespan_s <= 1.05 * ahead.bound_s


def test_sessions_and_hours_are_counted() -> None:
    ahead = forecast([load(0, hours=20.0)], slots=2)
    assert ahead.sessions == 3  # 20 h of training in sessions of 9 h less five minutes
    assert ahead.makespan_s == ahead.compute_s == 20 * 3600 + 3 * 300


def test_a_session_shorter_than_its_overhead_is_said_and_the_forecast_ends() -> None:
    text = SMALL.replace("profiles.quick.deadline_s: 32400.0", "profiles.quick.deadline_s: 900.0")
    text = text.replace("{steps_per_s: 10.0}", "{steps_per_s: 1000.0, start_s: 240.0, save_s: 900.0}")
    campaign, trials = expanded(text)
    standings = [trial_status(trial, (), live=False, code_digest="", retries={}) for trial in trials]
    monday = datetime(2026, 11, 23, tzinfo=UTC)
    outlook = forecast_campaign(campaign, standings, now=monday, longest_s=None, allowed=None)
    assert outlook.ahead.unfinished == () and outlook.ahead.sessions == sum(load.sessions for load in outlook.loads)
    assert outlook.ahead.makespan_s >= outlook.ahead.bound_s
    told = [row["variant"] for row in outlook.to_json()["variants"] if row["session_too_short"]]
    assert told == ["later"] and any(line.startswith("A session of later is") for line in outlook.lines())


def of_short_sessions(number: int) -> list[RemainingWork]:
    """Trainings of dozens of sessions each, some behind others, some under way."""
    draw, loads = random.Random(number), list[RemainingWork]()
    for _ in range(draw.randint(2, 6)):
        group, hours = draw.choice(["main", "later"]), draw.uniform(0.1, 3.0)
        for rank in range(draw.randint(1, 5)):
            traits = {"rank": rank, "priority": draw.choice([0, 0, 1]), "started": draw.random() < 0.1, "group": group}
            after = ("main",) if group == "later" else ()
            loads.append(load(len(loads), hours, session_s=draw.choice([360.0, 600.0]), after=after, **traits))
    return loads


@pytest.mark.parametrize("number", range(20))
def test_sessions_that_are_counted_together_come_to_what_they_come_to_one_by_one(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads, slots = of_short_sessions(number), 1 + number % 4
    allowed = Allowance(left_s=5 * 3600.0, weekly_s=20 * 3600.0, refresh_in_s=50_000.0) if number % 3 == 0 else None
    together = forecast(loads, slots=slots, allowance=allowed)
    monkeypatch.setattr(ListScheduler, "uninterrupted_s", lambda self, taken: 0.0)
    one_by_one = forecast(loads, slots=slots, allowance=allowed)
    assert together.sessions == one_by_one.sessions == sum(load.sessions for load in loads)
    assert together.compute_s == pytest.approx(one_by_one.compute_s)
    assert together.makespan_s == pytest.approx(one_by_one.makespan_s, rel=0.01)
    assert together.weeks == pytest.approx(one_by_one.weeks, abs=slots * 600.0)
    assert together.unfinished == one_by_one.unfinished == ()


def test_a_week_holds_no_more_than_its_quota_and_the_next_goes_on() -> None:
    allowed = Allowance(left_s=10 * 3600.0, weekly_s=30 * 3600.0, refresh_in_s=86_400.0)
    ahead = forecast([load(index, hours=8.0) for index in range(10)], slots=2, allowance=allowed)
    assert ahead.unfinished == () and len(ahead.weeks) == 4
    assert ahead.weeks[0] <= 10 * 3600 and max(ahead.weeks) <= 30 * 3600
    assert ahead.makespan_s > 86_400 + 2 * WEEK_S


def test_what_cannot_be_done_before_the_deadline_is_named() -> None:
    ahead = forecast([load(0, hours=8.0), load(1, hours=8.0)], slots=1, deadline_in_s=10 * 3600.0)
    assert ahead.unfinished == (1,) and ahead.makespan_s <= 10 * 3600


def test_a_group_waits_for_the_whole_group_before_it() -> None:
    loads = [load(0, 1.0), load(1, 5.0), load(2, 1.0, group="later", after=("main",))]
    assert forecast(loads, slots=3).makespan_s == (5 + 1) * 3600 + 2 * 300


@pytest.mark.parametrize(
    ("left_s", "until_s", "granted"),
    [
        (None, None, 32_400.0),
        (20_000.0, None, 20_000.0),
        (20_000.0, 10_000.0, 10_000.0),
        (899.0, None, None),  # it would start, save and have trained nothing
        (None, 1_100.0, None),
    ],
)
def test_a_session_gets_what_is_left_or_does_not_start(
    left_s: float | None, until_s: float | None, granted: float | None
) -> None:
    assert granted_s(32_400.0, needed_s=600.0, left_s=left_s, until_deadline_s=until_s) == granted


def test_of_equally_long_trials_the_fair_one_goes_first_even_when_length_decides() -> None:
    trials = [
        ReadyTrial(index=index, priority=0, rank=rank, started=False, own_s=1.0, chain_s=2.0)
        for index, rank in enumerate([0, 1, 0, 1])
    ]
    order = ListScheduler(trials, slots=2, work_s=4.0, open_s=4.0)
    taken = [order.take() for _ in trials]
    assert [trial.index for trial in taken if trial is not None] == [0, 2, 1, 3]
    assert order.take() is None
