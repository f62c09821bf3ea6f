"""The computer's clock is set back during a campaign: timeouts still elapse and the order of runs stays correct."""

from __future__ import annotations

from datetime import datetime, timedelta

from orchestrator.core.campaign.trial_status import State
from orchestrator.core.ledger.records import Stage
from tests.doubles.clock import FakeClock
from tests.simulation.campaigns import SMALL, expanded
from tests.simulation.computer import Computer, carried_through
from tests.simulation.world import World

CAMPAIGN, TRIALS = expanded(SMALL)
A_DAY_BACK = timedelta(days=1)


class AdjustableClock(FakeClock):
    """A clock whose displayed time can be shifted; elapsed time keeps counting."""

    def __init__(self) -> None:
        super().__init__()
        self.offset = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.offset


def test_a_missing_session_is_closed_after_the_usual_wait() -> None:
    clock = AdjustableClock()
    world = World(clock=clock)
    computer = Computer(world, CAMPAIGN, TRIALS)
    computer.tick()
    clock.sleep(3600.0)
    world.kernels.clear()
    world.living.clear()
    computer.tick()  # not found for the first time
    clock.offset -= A_DAY_BACK
    computer.tick()
    clock.sleep(1900.0)  # an absence is accepted after half an hour
    computer.tick()
    assert [one.stage for one in computer.ledger.sessions()][:2] == [Stage.CLOSED, Stage.CLOSED]
    assert computer.ledger.rebuild()


def test_the_latest_run_is_the_last_one_started_despite_the_clock() -> None:
    clock = AdjustableClock()
    world = World(clock=clock, weekly_s=None, doomed={TRIALS[0].lineage_id: 3})
    computer = Computer(world, *expanded(SMALL.replace("{stuck: 9}", "{stuck: 1}")))
    while not any(run.end_reason == "stuck" for run in computer.ledger.runs()):
        computer.tick()
        clock.sleep(3 * 3600.0)
    clock.offset -= 30 * A_DAY_BACK
    report, _ = carried_through(computer, most_ticks=200)
    assert report.complete and {one.state for one in report.statuses} == {State.DONE}
    order = [one.session for one in computer.ledger.sessions(TRIALS[0].lineage_id)]
    assert order == sorted(order) and computer.ledger.rebuild()
