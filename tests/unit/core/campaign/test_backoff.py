"""A trial that failed rests: longer each time, not at once at the next tick, and for ever on no computer."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.cli.campaign.status import status
from orchestrator.core.campaign.backoff import FIRST_S, LONGEST_S, MOST_RESTS, backoff_s, due_at, is_resting
from orchestrator.core.campaign.trial_status import State, trial_status
from orchestrator.core.ledger.records import RunRecord
from orchestrator.stores.system_clock import SystemClock
from tests.doubles.clock import FakeClock
from tests.simulation.campaigns import SMALL, expanded
from tests.simulation.computer import Computer, carried_through
from tests.simulation.on_disk import written_down
from tests.simulation.world import World

ONE = """
campaign: one
retries: {stuck: 9}
assume: {steps_per_s: 10.0}
trials:
  main:
    section: section_7_6
    settings: {profiles.full.target_steps: 700000, profiles.full.deadline_s: 32400.0}
"""
CAMPAIGN, TRIALS = expanded(ONE)


def test_rests_grow_to_a_limit_and_differ_between_trials_and_never_between_computers() -> None:
    for failures in range(1, 60):
        whole_s = min(LONGEST_S, FIRST_S * 2 ** (failures - 1))
        assert whole_s / 2 <= backoff_s(failures, "a" * 64) <= whole_s
    assert len({backoff_s(3, f"{number:064x}") for number in range(50)}) == 50
    assert backoff_s(4, "b" * 64) == backoff_s(4, "b" * 64)


def failing(times: int) -> tuple[World, Computer]:
    world = World(clock=FakeClock(), weekly_s=None, fate=["crash"] * times)
    return world, Computer(world, CAMPAIGN, TRIALS)


def test_what_failed_is_not_pushed_at_the_very_next_tick_and_the_pauses_grow() -> None:
    world, computer = failing(8)
    pushed_s: list[float] = []
    ended_s: list[float] = []
    while len(pushed_s) < 9:
        before = world.submits
        ticked = computer.tick()
        assert ticked is not None
        if world.submits > before:
            pushed_s.append(world.now_s)
        elif ticked.statuses[0].state is State.WAITING:
            assert "rest after a failure, the first until" in ticked.waits
            world.clock.sleep(5.0)
        if world.alive():
            world.clock.sleep((world.next_end_s() or 0.0) - world.now_s)
            ended_s.append(world.now_s)
    pauses = [push - end for push, end in zip(pushed_s[1:], ended_s, strict=False)]
    for number, pause_s in enumerate(pauses, start=1):
        expected_s = backoff_s(number, TRIALS[0].lineage_id)
        assert expected_s <= pause_s <= expected_s + 10.0
    ticked, _ = carried_through(computer)
    assert ticked.complete and ticked.statuses[0].due_at is None and computer.ledger.rebuild()


def test_a_session_that_brought_something_ends_the_row() -> None:
    world = World(clock=FakeClock(), weekly_s=None, fate=["crash", "half"])
    computer = Computer(world, CAMPAIGN, TRIALS)
    while world.submits < 3:
        computer.tick()
        world.clock.sleep(3 * 3600.0)
    (run,) = computer.ledger.runs()
    assert (run.failed_in_row, run.failed_at) == (0, None)


def test_another_trial_takes_the_slot_meanwhile() -> None:
    world = World(clock=FakeClock(), weekly_s=None, slots=1, fate=["crash"])
    computer = Computer(world, *expanded(SMALL.replace("concurrency: 2", "concurrency: 1")))
    computer.tick()
    world.clock.sleep((world.next_end_s() or 0.0) + 1.0)
    ticked = computer.tick()
    assert ticked is not None
    states = {one.trial.label: one.state for one in ticked.statuses}
    assert (states["main DQN seed 0"], states["main PPO seed 0"]) == (State.WAITING, State.LIVE)


@pytest.mark.parametrize("minutes", [5, 30])
def test_empty_copies_that_close_the_same_failure_again_and_again_do_not_wait_for_ever(minutes: int) -> None:
    """Every tick on a computer of its own: the rest counts from the failure, not from each look at it."""
    world, first = failing(1)
    first.tick()
    world.clock.sleep(10 * 3600.0)
    for _ in range(2):
        copy = Computer(world, CAMPAIGN, TRIALS)
        copy.recover()
        copy.tick()
        world.clock.sleep(minutes * 60.0)
    assert world.submits == 2


def test_a_clock_that_was_set_back_lets_nothing_rest_for_days() -> None:
    world, computer = failing(1)
    computer.tick()
    world.clock.sleep(10 * 3600.0)
    ticked = computer.tick()
    assert ticked is not None and ticked.statuses[0].due_at is not None
    due, now = ticked.statuses[0].due_at, world.clock.now()
    assert (
        is_resting(due, now)
        and not is_resting(due, now + timedelta(hours=1))
        and not is_resting(due, now - timedelta(days=2))
    )


def test_status_tells_the_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world, computer = failing(1)
    computer.tick()
    world.clock.sleep(world.next_end_s() or 0.0)
    computer.tick()
    project = written_down(computer, tmp_path)
    campaign = replace(CAMPAIGN, backend="local")
    monkeypatch.setattr("orchestrator.cli.campaign.status.open_campaign", lambda *words: (project, campaign, TRIALS))
    monkeypatch.setattr(SystemClock, "now", lambda self: world.clock.now())
    due = computer.ticker.tick().statuses[0].due_at
    assert due is not None and status("one") == 0
    assert f"main seed 0: waiting (after a failure, until {due:%Y-%m-%d %H:%M} UTC)" in capsys.readouterr().out
    world.clock.sleep(LONGEST_S)
    assert status("one") == 0 and "main seed 0: waiting, 0 of" in capsys.readouterr().out


def _without_room(count: int) -> list[RunRecord]:
    return [
        RunRecord(
            run_id=f"r{number}",
            section="section_7_6",
            lineage_id=TRIALS[0].lineage_id,
            profile=TRIALS[0].variant.profile,
            backend="local",
            target_steps=100,
            steps_start=20,
            steps_done=20,
            started_at="2026-01-01T00:00:00+00:00",
            end_reason="disk_full",
            ended_at="2026-01-01T00:10:00+00:00",
            sessions=1,
            failed_in_row=1,
            failed_at="2026-01-01T00:10:00+00:00",
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("count", [1, 3, MOST_RESTS, MOST_RESTS + 1])
def test_a_trial_that_finds_a_full_disk_rests_and_gives_up_only_in_the_end(count: int) -> None:
    runs = _without_room(count)
    standing = trial_status(TRIALS[0], runs, live=False, code_digest="", retries={})
    assert standing.why == "disk_full"
    assert standing.state is (State.WAITING if count <= MOST_RESTS else State.FAILED)
    if count <= MOST_RESTS:
        assert standing.due_at == due_at(runs, TRIALS[0].lineage_id) is not None
