"""A plan in the middle of a week: what the campaign's sessions have used of its budget is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cli.campaign.plan import forecast_of
from orchestrator.core.scheduling.quota import allowance, spent_s
from orchestrator.core.section.kaggle import OUTSIDE_S
from orchestrator.core.session.backend_types import Quota
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


def test_the_plan_leaves_of_this_week_what_closed_sessions_have_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    began = clock.now()
    campaign, trials = expanded(SMALL + "weekly_gpu_hours: 30.0\n")
    computer = Computer(World(clock=clock, weekly_s=None), campaign, trials)
    computer.tick()
    clock.sleep(9.1 * 3600)
    computer.tick()
    assert len(computer.ledger.open_sessions()) == 2  # of 30 h two sessions took 9 h each, which leaves 9 h and 3 h
    spent_h = spent_s(computer.ledger.sessions(), began) / 3600
    assert spent_h > 17.0

    project = written_down(computer, tmp_path)
    monkeypatch.setattr(SystemClock, "now", lambda self: clock.now())
    weeks = forecast_of(project, campaign, trials, None).to_json()["weeks"]
    # What is in flight is played again from its start, so that its 12 h are in this week and counted once.
    assert 11.0 <= weeks[0]["quota_h"] <= 30.0 - spent_h + 0.01
    assert weeks[1]["quota_h"] > 27.0


def test_what_has_left_its_search_is_taken_off_this_week_too(tmp_path: Path) -> None:
    clock = FakeClock()
    computer = Computer(World(clock=clock, weekly_s=None, slots=9), *expanded(SEARCH))
    computer.tick()
    project = written_down(computer, tmp_path)
    flying, campaign = 2 * 32_400.0, expanded(SEARCH)[0]
    same, other = (
        campaign_trials(project, expanded(text)[0]) for text in (SEARCH, SEARCH.replace("seed: 0", "seed: 5"))
    )
    assert spent_and_promised_s(project, campaign, same, None, clock.now()) == (0.0, flying)
    assert spent_and_promised_s(project, campaign, other, None, clock.now()) == (flying, 0.0)


@pytest.mark.parametrize(("reserved_h", "left_h"), [(0.0, 20.0), (18.0, 20.0), (23.0, 15.0)])
def test_what_the_service_reserves_for_sessions_that_are_played_again_is_not_taken_off_twice(
    reserved_h: float, left_h: float
) -> None:
    """Of 30 h ten are used, and two sessions of this campaign were given nine each."""
    quota = Quota(resource="GPU", used_s=10 * 3600.0, reserved_s=reserved_h * 3600, allowed_s=30 * 3600.0)
    known = {"quota": quota, "budget_s": 28 * 3600.0, "spent_s": 1 * 3600.0, "promised_s": 18 * 3600.0}
    planned = allowance(FakeClock().now(), **known, replays_live=True)  # type: ignore[arg-type]
    ticked = allowance(FakeClock().now(), **known)  # type: ignore[arg-type]
    assert planned is not None and planned.left_s == left_h * 3600
    assert ticked is not None and ticked.left_s == max(0.0, 20.0 - max(18.0, reserved_h)) * 3600


def test_a_plan_for_kaggle_counts_with_what_a_session_there_may_really_take(tmp_path: Path) -> None:
    campaign, trials = expanded(SMALL.replace("32400.0", "43200.0") + "backend: kaggle\n")
    project = Project(code=PROJECT_ROOT, state=tmp_path)
    outlook = forecast_of(project, campaign, trials, None)
    assert {load.session_s for load in outlook.loads} == {43_200.0 - OUTSIDE_S}
