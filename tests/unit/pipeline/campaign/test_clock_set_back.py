"""This computer's clock is set back in the middle: nothing waits until it is late again, nothing is out of order."""

from __future__ import annotations

from datetime import timedelta

from orchestrator.core.campaign.trial_status import State
from orchestrator.core.ledger.records import Stage
from tests.doubles.clock import FakeClock
from tests.simulation.campaigns import SMALL, expanded
from tests.simulation.computer import Computer, carried_through
from tests.simulation.world import World

CAMPAIGN, TRIALS = expanded(SMALL)
A_DAY_BACK = timedelta(days=1)


class Set(FakeClock):
    """What it shows may be set; what passes is counted all the same."""

    def __init__(self) -> None:
        super().__init__()
        self.off = timedelta(0)

    def now(self):  # type: ignore[no-untyped-def]
        return super().now() + self.off


def test_a_session_that_is_gone_is_believed_to_be_gone_after_the_usual_patience() -> None:
    clock = Set()
    world = World(clock=clock)
    computer = Computer(world, CAMPAIGN, TRIALS)
    computer.tick()
    clock.sleep(3600.0)
    world.kernels.clear()
    world.living.clear()
    computer.tick()  # missed for the first time
    clock.off -= A_DAY_BACK
    computer.tick()
    clock.sleep(1900.0)  # the patience is half an hour
    computer.tick()
    assert [one.stage for one in computer.ledger.sessions()][:2] == [Stage.CLOSED, Stage.CLOSED]
    assert computer.ledger.rebuild()


def test_the_latest_run_is_the_one_that_was_started_last_whatever_the_clock_said() -> None:
    clock = Set()
    world = World(clock=clock, weekly_s=None, doomed={TRIALS[0].lineage_id: 3})
    computer = Computer(world, *expanded(SMALL.replace("{stuck: 9}", "{stuck: 1}")))
    while not any(run.end_reason == "stuck" for run in computer.ledger.runs()):
        computer.tick()
        clock.sleep(3 * 3600.0)
    clock.off -= 30 * A_DAY_BACK
    ticked, _ = carried_through(computer, most_ticks=200)
    assert ticked.complete and {one.state for one in ticked.statuses} == {State.DONE}
    order = [one.session for one in computer.ledger.sessions(TRIALS[0].lineage_id)]
    assert order == sorted(order) and computer.ledger.rebuild()
