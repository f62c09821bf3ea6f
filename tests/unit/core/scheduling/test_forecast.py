"""The scheduler is near the optimum, fair by seed, and respects quota, deadline and dependencies."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from orchestrator.core.campaign.session_slots import BackendLimits, Slots, slots_of
from orchestrator.core.campaign.trial_status import trial_status
from orchestrator.core.reporting.campaign_forecast import forecast_campaign
from orchestrator.core.scheduling.forecast import forecast
from orchestrator.core.scheduling.packs import Packing
from orchestrator.core.scheduling.quota import WEEK_S, Allowance
from orchestrator.core.scheduling.scheduler import ListScheduler, ReadyTrial
from orchestrator.core.scheduling.workload import Option, RemainingWork
from orchestrator.core.section.site import Site
from orchestrator.core.session.time_budget import granted_s
from tests.simulation.campaigns import SMALL, expanded

HERE = Site("local")


def shared(slots: int) -> Slots:
    """Slots of one backend without kinds."""
    return slots_of((("local", BackendLimits(sessions=slots)),))


def work_of(index: int, hours: float = 4.0, sites: tuple[Site, ...] = (HERE,), **traits: object) -> RemainingWork:
    values: dict[str, object] = {
        "index": index,
        "group": "main",
        "priority": 0,
        "rank": 0,
        "started": False,
        "train_s": hours * 3600,
        "session_s": 9 * 3600.0,
        "start_s": 120.0,
        "save_s": 180.0,
        "options": tuple(Option(site, 1.0, 9 * 3600.0) for site in sites),
        **traits,
    }
    return RemainingWork(**values)  # type: ignore[arg-type]  # keyword arguments of several types


def generated(number: int) -> tuple[list[RemainingWork], int]:
    """A random campaign: up to ten variants of up to ten seeds, some waiting for others; and its slots."""
    draw = random.Random(number)
    works: list[RemainingWork] = []
    for _ in range(draw.randint(3, 10)):
        hours, group = draw.uniform(2.0, 60.0), draw.choice(["main", "later"])
        after = ("main",) if group == "later" else ()
        for rank in range(draw.randint(3, 10)):
            works.append(
                work_of(len(works), hours, group=group, after=after, rank=rank, priority=draw.choice([0, 0, 1]))
            )
    return works, draw.choice([2, 2, 3, 5])


@pytest.mark.parametrize("number", range(10))
def test_the_makespan_is_within_five_percent_of_the_lower_bound(number: int) -> None:
    works, slots = generated(number)
    result = forecast(works, slots=shared(slots))
    assert result.unfinished == ()
    assert result.makespan_s <= 1.05 * result.bound_s


def test_sessions_and_hours_are_counted() -> None:
    result = forecast([work_of(0, hours=20.0)], slots=shared(2))
    assert result.sessions == 3  # 20 h of training in sessions of 9 h less five minutes
    assert result.makespan_s == result.compute_s == 20 * 3600 + 3 * 300


def test_a_session_shorter_than_its_overhead_is_reported_and_the_forecast_ends() -> None:
    text = SMALL.replace("profiles.quick.deadline_s: 32400.0", "profiles.quick.deadline_s: 900.0")
    text = text.replace("{steps_per_s: 10.0}", "{steps_per_s: 1000.0, start_s: 240.0, save_s: 900.0}")
    campaign, trials = expanded(text)
    statuses = [trial_status(trial, (), live=False, code_digest="", retries={}) for trial in trials]
    monday = datetime(2026, 11, 23, tzinfo=UTC)
    campaign_forecast = forecast_campaign(campaign, statuses, now=monday, allowed=None)
    assert campaign_forecast.ahead.unfinished == () and campaign_forecast.ahead.sessions == sum(
        work_of.sessions for work_of in campaign_forecast.loads
    )
    assert campaign_forecast.ahead.makespan_s >= campaign_forecast.ahead.bound_s
    too_short = [row["variant"] for row in campaign_forecast.to_json()["variants"] if row["session_too_short"]]
    assert too_short == ["later"] and any(
        line.startswith("A session of later is") for line in campaign_forecast.lines()
    )


def of_short_sessions(number: int) -> list[RemainingWork]:
    """Random trainings of dozens of sessions each, some waiting for others, some already started."""
    draw, works = random.Random(number), list[RemainingWork]()
    for _ in range(draw.randint(2, 6)):
        group, hours = draw.choice(["main", "later"]), draw.uniform(0.1, 3.0)
        for rank in range(draw.randint(1, 5)):
            traits = {"rank": rank, "priority": draw.choice([0, 0, 1]), "started": draw.random() < 0.1, "group": group}
            after = ("main",) if group == "later" else ()
            works.append(work_of(len(works), hours, session_s=draw.choice([360.0, 600.0]), after=after, **traits))
    return works


@pytest.mark.parametrize("number", range(20))
def test_a_forecast_in_batches_of_sessions_equals_one_session_by_session(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    works, slots = of_short_sessions(number), 1 + number % 4
    allowed = Allowance(left_s=5 * 3600.0, weekly_s=20 * 3600.0, refresh_in_s=50_000.0) if number % 3 == 0 else None
    together = forecast(works, slots=shared(slots), allowance=allowed)
    monkeypatch.setattr(ListScheduler, "uninterrupted_s", lambda self, taken: 0.0)
    one_by_one = forecast(works, slots=shared(slots), allowance=allowed)
    assert together.sessions == one_by_one.sessions == sum(work_of.sessions for work_of in works)
    assert together.compute_s == pytest.approx(one_by_one.compute_s)
    assert together.makespan_s == pytest.approx(one_by_one.makespan_s, rel=0.01)
    assert together.weeks == pytest.approx(one_by_one.weeks, abs=slots * 600.0)
    assert together.unfinished == one_by_one.unfinished == ()


def test_no_week_exceeds_its_quota_and_the_next_week_continues() -> None:
    allowed = Allowance(left_s=10 * 3600.0, weekly_s=30 * 3600.0, refresh_in_s=86_400.0)
    result = forecast([work_of(index, hours=8.0) for index in range(10)], slots=shared(2), allowance=allowed)
    assert result.unfinished == () and len(result.weeks) == 4
    assert result.weeks[0] <= 10 * 3600 and max(result.weeks) <= 30 * 3600
    assert result.makespan_s > 86_400 + 2 * WEEK_S


def test_trials_that_cannot_end_before_the_deadline_are_listed() -> None:
    result = forecast([work_of(0, hours=8.0), work_of(1, hours=8.0)], slots=shared(1), deadline_in_s=10 * 3600.0)
    assert result.unfinished == (1,) and result.makespan_s <= 10 * 3600


def test_a_group_waits_for_the_whole_group_before_it() -> None:
    works = [work_of(0, 1.0), work_of(1, 5.0), work_of(2, 1.0, group="later", after=("main",))]
    assert forecast(works, slots=shared(3)).makespan_s == (5 + 1) * 3600 + 2 * 300


@pytest.mark.parametrize(
    ("left_s", "until_s", "granted"),
    [
        (None, None, 32_400.0),
        (20_000.0, None, 20_000.0),
        (20_000.0, 10_000.0, 10_000.0),
        (899.0, None, None),  # too short to train anything between start and save
        (None, 1_100.0, None),
    ],
)
def test_a_session_gets_the_remaining_time_or_does_not_start(
    left_s: float | None, until_s: float | None, granted: float | None
) -> None:
    assert granted_s(32_400.0, needed_s=600.0, left_s=left_s, until_deadline_s=until_s) == granted


def test_the_lower_rank_goes_first_among_equally_long_trials() -> None:
    trials = [
        ReadyTrial(index=index, priority=0, rank=rank, started=False, own_s=1.0, chain_s=2.0)
        for index, rank in enumerate([0, 1, 0, 1])
    ]
    scheduler = ListScheduler(trials, slots=2, work_s=4.0, open_s=4.0)
    taken = [scheduler.take() for _ in trials]
    assert [trial.index for trial in taken if trial is not None] == [0, 2, 1, 3]
    assert scheduler.take() is None


def test_a_pack_uses_slot_and_hours_of_its_longest_session() -> None:
    works = [work_of(index, hours=4.0 + 0.1 * index) for index in range(4)]
    packed = forecast(works, slots=shared(1), packing=Packing(places={HERE: 4}))
    alone = forecast(works, slots=shared(1))
    assert (packed.kernels, packed.sessions, alone.kernels) == (1, 4, 4)
    assert packed.compute_s == packed.makespan_s == pytest.approx(4.3 * 3600 + 300)
    assert packed.unfinished == ()


def test_trials_of_other_length_or_kind_get_another_kernel() -> None:
    works = [work_of(0, hours=8.0), work_of(1, hours=2.0), work_of(2, hours=8.0)]
    assert forecast(works, slots=shared(1), packing=Packing(places={HERE: 3})).kernels == 2
    assert (
        forecast(works, slots=shared(1), packing=Packing(places={HERE: 3}, shares={0: "a", 1: "a", 2: "b"})).kernels
        == 3
    )


@pytest.mark.parametrize("number", range(10))
@pytest.mark.parametrize("width", [2, 4])
def test_packs_complete_every_trial_within_the_quota(number: int, width: int) -> None:
    works, slots = generated(number)
    week = Allowance(left_s=30 * 3600.0, weekly_s=30 * 3600.0, refresh_in_s=WEEK_S)
    packings = (Packing(places={HERE: one}) for one in (width, 1))
    packed, alone = (forecast(works, slots=shared(slots), allowance=week, packing=one) for one in packings)
    assert packed.unfinished == ()
    assert packed.sessions > packed.kernels
    assert packed.compute_s < 0.75 * alone.compute_s
    assert all(used_s <= 30 * 3600.0 + 1e-3 for used_s in packed.weeks)
