"""Sessions of last week that are recovered today use none of this week's hours, in tick, plan and status."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cli.campaign.plan import forecast_of
from orchestrator.core.scheduling.quota import spent_s, week_of
from orchestrator.stores.system_clock import SystemClock
from tests.doubles.clock import FakeClock
from tests.simulation.campaigns import SMALL, expanded
from tests.simulation.computer import Computer
from tests.simulation.on_disk import written_down
from tests.simulation.world import World

WEEKLY_H = 20.0
CAMPAIGN, TRIALS = expanded(SMALL + f"weekly_gpu_hours: {WEEKLY_H}\n")


def recovered_after(days: float, *, fate: tuple[str, ...] = ()) -> Computer:
    """An empty computer that recovers two sessions of another one `days` after they were pushed."""
    world = World(clock=FakeClock(), weekly_s=None, fate=list(fate))
    Computer(world, CAMPAIGN, TRIALS).tick()
    world.clock.sleep(days * 86_400)
    empty = Computer(world, CAMPAIGN, TRIALS)
    empty.recover()
    return empty


@pytest.mark.parametrize("fate", [(), ("crash", "half")], ids=["with an account", "without one"])
def test_a_tick_grants_this_week_its_whole_quota(fate: tuple[str, ...]) -> None:
    empty = recovered_after(8.0, fate=fate)
    since, _ = week_of(empty.context.clock.now(), None)
    closed_before = {record.key for record in empty.ledger.open_sessions()}
    for _ in range(2):  # a failed trial waits before its next attempt
        empty.tick()
        empty.context.clock.sleep(7200.0)
    records = empty.ledger.sessions()
    assert len(closed_before) == 2 and spent_s(records, since) == 0.0
    mine = [one for one in records if one.key in closed_before]
    assert spent_s(mine, since.replace(year=2025)) > 8 * 3600  # the hours are counted, but not in this week
    started = [float(one.ticket["spec"]["deadline_s"]) for one in records if one.key not in closed_before]
    assert sum(started) == 18 * 3600.0  # two whole sessions: the 20 h are reduced by nothing of last week


def test_sessions_of_this_week_still_count() -> None:
    empty = recovered_after(0.4)  # both recovered sessions ran in the current week
    empty.tick()
    since, _ = week_of(empty.context.clock.now(), None)
    assert spent_s(empty.ledger.sessions(), since) > 17 * 3600
    (started,) = empty.ledger.open_sessions()
    assert float(started.ticket["spec"]["deadline_s"]) <= 2 * 3600.0  # the rest of the 20 h


def test_plan_and_status_show_this_week_with_its_whole_quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = recovered_after(8.0)
    empty.tick()
    project = written_down(empty, tmp_path)
    monkeypatch.setattr(SystemClock, "now", lambda self: empty.context.clock.now())
    weeks = forecast_of(project, CAMPAIGN, TRIALS, None).to_json()[
        "weeks"
    ]  # `status` uses the same function, without a quota
    assert weeks[0]["quota_h"] > WEEKLY_H - 2.5


def test_a_ledger_with_recovered_sessions_can_be_rebuilt_from_its_events() -> None:
    empty = recovered_after(8.0)
    empty.tick()
    assert empty.ledger.rebuild()
    start_times = [record.begun_at for record in empty.ledger.sessions() if record.begun_at]
    assert len(start_times) == 2
