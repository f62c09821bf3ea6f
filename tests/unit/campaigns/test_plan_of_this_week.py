"""A plan in the middle of a week: what the campaign's sessions have used of its budget is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cli.campaign.plan import outlook_of
from orchestrator.core.allowances import spent_s
from orchestrator.stores.ledger import SqliteLedger
from orchestrator.stores.project import Project
from orchestrator.stores.system_clock import SystemClock
from tests.conftest import PROJECT_ROOT
from tests.doubles.clock import FakeClock
from tests.simulation.campaigns import SMALL, expanded
from tests.simulation.computer import Computer
from tests.simulation.world import World


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

    project = Project(code=PROJECT_ROOT, state=tmp_path)
    ledger = SqliteLedger(project.own / "ledger.sqlite")
    for event in computer.ledger.events():
        ledger.record(event)
    ledger.close()
    monkeypatch.setattr(SystemClock, "now", lambda self: clock.now())
    weeks = outlook_of(project, campaign, trials, None).to_json()["weeks"]
    # What is in flight is played again from its start, so that its 12 h are in this week and counted once.
    assert 11.0 <= weeks[0]["quota_h"] <= 30.0 - spent_h + 0.01
    assert weeks[1]["quota_h"] > 27.0
