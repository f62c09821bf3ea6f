"""A failed trial waits before its next attempt: longer after each failure, but never for ever."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.cli.campaign.status import status
from orchestrator.core.campaign.stop_rules import FIRST_S, LONGEST_S, MOST_RESTS, backoff_s, due_at, is_resting
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


def test_the_wait_doubles_up_to_a_limit_and_depends_only_on_failures_and_lineage() -> None:
    for failures in range(1, 60):
        whole_s = min(LONGEST_S, FIRST_S * 2 ** (failures - 1))
        assert whole_s / 2 <= backoff_s(failures, "a" * 64) <= whole_s
    assert len({backoff_s(3, f"{number:064x}") for number in range(50)}) == 50
    assert backoff_s(4, "b" * 64) == backoff_s(4, "b" * 64)


def computer_with_crashes(times: int) -> tuple[World, Computer]:
    world = World(clock=FakeClock(), weekly_s=None, fate=["crash"] * times)
    return world, Computer(world, CAMPAIGN, TRIALS)


def test_a_failed_trial_is_pushed_only_after_its_wait_and_the_waits_grow() -> None:
    world, computer = computer_with_crashes(8)
    pushed_s: list[float] = []
    ended_s: list[float] = []
    while len(pushed_s) < 9:
        before = world.submits
        report = computer.tick()
        assert report is not None
        if world.submits > before:
            pushed_s.append(world.now_s)
        elif report.statuses[0].state is State.WAITING:
            assert "rest after a failure, the first until" in report.waits
            world.clock.sleep(5.0)
        if world.alive():
            world.clock.sleep((world.next_end_s() or 0.0) - world.now_s)
            ended_s.append(world.now_s)
    pauses = [push - end for push, end in zip(pushed_s[1:], ended_s, strict=False)]
    for number, pause_s in enumerate(pauses, start=1):
        expected_s = backoff_s(number, TRIALS[0].lineage_id)
        assert expected_s <= pause_s <= expected_s + 10.0
    report, _ = carried_through(computer)
    assert report.complete and report.statuses[0].due_at is None and computer.ledger.rebuild()


def test_a_session_with_progress_resets_the_failures_in_a_row() -> None:
    world = World(clock=FakeClock(), weekly_s=None, fate=["crash", "half"])
    computer = Computer(world, CAMPAIGN, TRIALS)
    while world.submits < 3:
        computer.tick()
        world.clock.sleep(3 * 3600.0)
    (run,) = computer.ledger.runs()
    assert (run.failed_in_row, run.failed_at) == (0, None)


def test_another_trial_uses_the_slot_while_a_failed_one_waits() -> None:
    world = World(clock=FakeClock(), weekly_s=None, slots=1, fate=["crash"])
    computer = Computer(world, *expanded(SMALL.replace("concurrency: 2", "concurrency: 1")))
    computer.tick()
    world.clock.sleep((world.next_end_s() or 0.0) + 1.0)
    report = computer.tick()
    assert report is not None
    states = {one.trial.label: one.state for one in report.statuses}
    assert (states["main DQN seed 0"], states["main PPO seed 0"]) == (State.WAITING, State.LIVE)


@pytest.mark.parametrize("minutes", [5, 30])
def test_new_computers_that_recover_the_same_failure_wait_from_the_failure_on(minutes: int) -> None:
    """Every tick runs on a new computer: the wait counts from the failure, not from its recovery."""
    world, first = computer_with_crashes(1)
    first.tick()
    world.clock.sleep(10 * 3600.0)
    for _ in range(2):
        copy = Computer(world, CAMPAIGN, TRIALS)
        copy.recover()
        copy.tick()
        world.clock.sleep(minutes * 60.0)
    assert world.submits == 2


def test_a_clock_set_back_by_days_ends_the_wait() -> None:
    world, computer = computer_with_crashes(1)
    computer.tick()
    world.clock.sleep(10 * 3600.0)
    report = computer.tick()
    assert report is not None and report.statuses[0].due_at is not None
    due, now = report.statuses[0].due_at, world.clock.now()
    assert (
        is_resting(due, now)
        and not is_resting(due, now + timedelta(hours=1))
        and not is_resting(due, now - timedelta(days=2))
    )


def test_status_shows_until_when_a_failed_trial_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world, computer = computer_with_crashes(1)
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


def _runs_ended_by_a_full_disk(count: int) -> list[RunRecord]:
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
def test_a_trial_with_a_full_disk_waits_a_limited_number_of_times(count: int) -> None:
    runs = _runs_ended_by_a_full_disk(count)
    status_of_trial = trial_status(TRIALS[0], runs, live=False, code_digest="", retries={})
    assert status_of_trial.why == "disk_full"
    assert status_of_trial.state is (State.WAITING if count <= MOST_RESTS else State.FAILED)
    if count <= MOST_RESTS:
        assert status_of_trial.due_at == due_at(runs, TRIALS[0].lineage_id) is not None
