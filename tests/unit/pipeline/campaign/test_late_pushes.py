"""A push whose answer was lost and which shows only after it was given up: it is that session, never one beside it."""

from __future__ import annotations

import pytest

from orchestrator.core.errors import NotYet
from orchestrator.core.ledger.records import SessionRecord, Stage
from orchestrator.pipeline.campaign.context import request_of_trial
from orchestrator.pipeline.run.runner import execute
from tests.doubles.clock import FakeClock
from tests.simulation.campaigns import expanded
from tests.simulation.computer import Computer, carried_through
from tests.simulation.world import VISIBILITY_S, World

CAMPAIGN, TRIALS = expanded("""
campaign: late
concurrency: 2
assume: {steps_per_s: 10.0}
trials:
  main:
    section: section_7_6
    settings: {profiles.full.target_steps: 600000, profiles.full.deadline_s: 32400.0}
""")
"""One training of two sessions; two slots, so that nothing but the program keeps a second kernel away."""
LATE_S = 600.0


def given_up() -> tuple[World, Computer]:
    """The first push is carried out, its answer lost, and it is hidden until long after the window.

    The listing is away in between, so that nothing was pushed under its name meanwhile.
    """
    world = World(clock=FakeClock(), weekly_s=None, lose=["after"], hidden_s=LATE_S)
    computer = Computer(world, CAMPAIGN, TRIALS)
    computer.tick()
    world.listed_after_s = None
    for _ in range(2):
        world.clock.sleep(2 * VISIBILITY_S)
        computer.tick()
    assert first_of(computer).never_submitted and world.now_s < LATE_S
    world.clock.sleep(LATE_S)
    world.hidden_s = 30.0
    return world, computer


def first_of(computer: Computer) -> SessionRecord:
    (record,) = computer.ledger.sessions()
    return record


@pytest.mark.parametrize("listed_after_s", [0.0, 20 * 3600.0], ids=["listed", "found by its name"])
def test_it_is_taken_up_before_anything_is_pushed_beside_it(listed_after_s: float) -> None:
    world, computer = given_up()
    nonce, world.listed_after_s = first_of(computer).nonce, listed_after_s
    computer.tick()
    record = first_of(computer)
    assert (record.stage, record.nonce, record.lost_pushes, record.recovered) == (Stage.SUBMITTED, nonce, 0, False)
    assert record.began_at == FakeClock().now() and computer.ledger.runs()[0].sessions == 1
    assert computer.ledger.rebuild()
    ticked, _ = carried_through(computer)
    assert ticked.complete and world.wrongs == [] and world.submits == 2 and computer.ledger.rebuild()


def test_a_run_that_stays_finds_the_name_taken_by_it_and_goes_on_with_it() -> None:
    world, computer = given_up()
    context, request = computer.context.run_context(TRIALS[0].card), request_of_trial(TRIALS[0])
    with pytest.raises(NotYet, match="adopted"):
        execute(context, request)
    assert first_of(computer).stage is Stage.SUBMITTED
    assert execute(context, request).end_reason == "finished"
    assert world.wrongs == [] and world.submits == 2 and computer.ledger.rebuild()


def test_killed_while_it_is_taken_up_the_next_tick_goes_on() -> None:
    world, computer = given_up()
    world.listed_after_s = 0.0
    for fuse in range(1, 12):
        world.fuse = fuse
        computer.tick()
    world.fuse = None
    ticked, _ = carried_through(computer)
    assert ticked.complete and world.wrongs == [] and world.submits == 2 and computer.ledger.rebuild()
