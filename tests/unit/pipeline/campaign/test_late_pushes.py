"""A lost push that becomes visible only after it was given up is adopted; no second kernel is pushed beside it."""

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
"""One training of two sessions; two slots, so that only the program itself prevents a second kernel."""
LATE_S = 600.0


def world_with_a_late_push() -> tuple[World, Computer]:
    """A world whose first push succeeded, lost its answer and stayed hidden until after the visibility window.

    The listing fails in between, so no other kernel was pushed under its name.
    """
    world = World(clock=FakeClock(), weekly_s=None, lose=["after"], hidden_s=LATE_S)
    computer = Computer(world, CAMPAIGN, TRIALS)
    computer.tick()
    world.listed_after_s = None
    for _ in range(2):
        world.clock.sleep(2 * VISIBILITY_S)
        computer.tick()
    assert only_session_of(computer).never_submitted and world.now_s < LATE_S
    world.clock.sleep(LATE_S)
    world.hidden_s = 30.0
    return world, computer


def only_session_of(computer: Computer) -> SessionRecord:
    (record,) = computer.ledger.sessions()
    return record


@pytest.mark.parametrize("listed_after_s", [0.0, 20 * 3600.0], ids=["listed", "found by its name"])
def test_a_late_push_is_adopted_before_anything_else_is_pushed(listed_after_s: float) -> None:
    world, computer = world_with_a_late_push()
    nonce, world.listed_after_s = only_session_of(computer).nonce, listed_after_s
    computer.tick()
    record = only_session_of(computer)
    assert (record.stage, record.nonce, record.lost_pushes, record.recovered) == (Stage.SUBMITTED, nonce, 0, False)
    assert record.began_at == FakeClock().now() and computer.ledger.runs()[0].sessions == 1
    assert computer.ledger.rebuild()
    report, _ = carried_through(computer)
    assert report.complete and world.wrongs == [] and world.submits == 2 and computer.ledger.rebuild()


def test_a_run_adopts_the_late_push_that_holds_its_name_and_continues_with_it() -> None:
    world, computer = world_with_a_late_push()
    context, request = computer.context.run_context(TRIALS[0].card, "local"), request_of_trial(TRIALS[0])
    with pytest.raises(NotYet, match="adopted"):
        execute(context, request)
    assert only_session_of(computer).stage is Stage.SUBMITTED
    assert execute(context, request).end_reason == "finished"
    assert world.wrongs == [] and world.submits == 2 and computer.ledger.rebuild()


def test_a_kill_during_adoption_is_completed_by_the_next_tick() -> None:
    world, computer = world_with_a_late_push()
    world.listed_after_s = 0.0
    for fuse in range(1, 12):
        world.fuse = fuse
        computer.tick()
    world.fuse = None
    report, _ = carried_through(computer)
    assert report.complete and world.wrongs == [] and world.submits == 2 and computer.ledger.rebuild()
