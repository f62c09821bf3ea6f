"""A plan in the middle of a week subtracts the hours that the campaign's sessions have used."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cli.campaign.plan import forecast_of
from orchestrator.core.scheduling.quota import allowance, spent_s
from orchestrator.core.section.kaggle import OUTSIDE_S
from orchestrator.core.session.time_budget import Quota
from orchestrator.stores.project import Project
from orchestrator.stores.system_clock import SystemClock
from orchestrator.wiring.campaigns import spent_and_promised_s
from orchestrator.wiring.searches import campaign_trials
from tests.conftest import PROJECT_ROOT
from tests.doubles.clock import FakeClock
from tests.simulation.campaigns import SMALL, expanded
from tests.simulation.computer import Computer
from tests.simulation.on_disk import written_down
from tests.simulation.world import World

SEARCH = """
campaign: small
concurrency: 2
trials:
  look:
    section: section_7_6
    settings: {algorithm: PPO, profiles.full.deadline_s: 32400.0}
    search: {space: {algorithms.PPO.gamma: {low: 0.9, high: 0.99}}, trials: 4, batch: 2, seed: 0}
"""


def test_a_plan_subtracts_the_hours_of_closed_sessions_from_this_week(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    began = clock.now()
    campaign, trials = expanded(SMALL + "weekly_gpu_hours: 30.0\n")
    computer = Computer(World(clock=clock, weekly_s=None), campaign, trials)
    computer.tick()
    clock.sleep(9.1 * 3600)
    computer.tick()
    assert (
        len(computer.ledger.open_sessions()) == 2
    )  # two sessions used 9 h each of 30 h; 9 h and 3 h are granted to the next
    spent_h = spent_s(computer.ledger.sessions(), began) / 3600
    assert spent_h > 17.0

    project = written_down(computer, tmp_path)
    monkeypatch.setattr(SystemClock, "now", lambda self: clock.now())
    weeks = forecast_of(project, campaign, trials, None).to_json()["weeks"]
    # The plan replays the sessions in flight from their start: their 12 h count once, in this week.
    assert 11.0 <= weeks[0]["quota_h"] <= 30.0 - spent_h + 0.01
    assert weeks[1]["quota_h"] > 27.0


def test_orphaned_proposals_count_as_spent_in_this_week(tmp_path: Path) -> None:
    clock = FakeClock()
    computer = Computer(World(clock=clock, weekly_s=None, slots=9), *expanded(SEARCH))
    computer.tick()
    project = written_down(computer, tmp_path)
    in_flight_s, campaign = 2 * 32_400.0, expanded(SEARCH)[0]
    same, other = (
        campaign_trials(project, expanded(text)[0]) for text in (SEARCH, SEARCH.replace("seed: 0", "seed: 5"))
    )
    assert spent_and_promised_s(project, campaign, same, None, clock.now()) == (0.0, in_flight_s)
    assert spent_and_promised_s(project, campaign, other, None, clock.now()) == (in_flight_s, 0.0)


@pytest.mark.parametrize(("reserved_h", "left_h"), [(0.0, 20.0), (18.0, 20.0), (23.0, 15.0)])
def test_hours_reserved_for_replayed_sessions_are_subtracted_once(reserved_h: float, left_h: float) -> None:
    """Of 30 h, 10 h are used, and two sessions of this campaign were granted 9 h each."""
    quota = Quota(resource="GPU", used_s=10 * 3600.0, reserved_s=reserved_h * 3600, allowed_s=30 * 3600.0)
    figures = {"quota": quota, "budget_s": 28 * 3600.0, "spent_s": 1 * 3600.0, "promised_s": 18 * 3600.0}
    # Keyword arguments of several types.
    for_a_plan = allowance(FakeClock().now(), **figures, replays_live=True)  # type: ignore[arg-type]
    for_a_tick = allowance(FakeClock().now(), **figures)  # type: ignore[arg-type]  # keyword arguments of several types
    assert for_a_plan is not None and for_a_plan.left_s == left_h * 3600
    assert for_a_tick is not None and for_a_tick.left_s == max(0.0, 20.0 - max(18.0, reserved_h)) * 3600


def test_a_plan_for_kaggle_uses_the_real_limit_of_a_kaggle_session(tmp_path: Path) -> None:
    campaign, trials = expanded(SMALL.replace("32400.0", "43200.0") + "backend: kaggle\n")
    project = Project(code=PROJECT_ROOT, state=tmp_path)
    forecast = forecast_of(project, campaign, trials, None)
    assert {load.session_s for load in forecast.loads} == {43_200.0 - OUTSIDE_S}
