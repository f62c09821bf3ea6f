"""A campaign leaves a checkpoint after two failures as `run` does, killed anywhere, and is complete in the end."""

from __future__ import annotations

import pytest

from orchestrator.core.campaign.trial_status import State
from orchestrator.core.ledger.events import EventKind
from tests.doubles.clock import FakeClock
from tests.simulation.campaigns import expanded
from tests.simulation.computer import Computer, carried_through
from tests.simulation.world import World

ONE = """
campaign: one
retries: {stuck: 9}
assume: {steps_per_s: 10.0}
trials:
  main:
    section: section_7_6
    settings: {profiles.full.target_steps: 900000, profiles.full.deadline_s: 32400.0}
"""
CAMPAIGN, TRIALS = expanded(ONE)
PER_SESSION = (32400 - 300) * 10
"""Steps of a session: its wall without start and save."""


def starts(computer: Computer) -> list[int]:
    return [record.steps_begun or 0 for record in computer.ledger.sessions() if not record.never_submitted]


def walks(computer: Computer) -> list[tuple[int, int]]:
    events = [event.body for event in computer.ledger.events() if event.kind is EventKind.WALKED_BACK]
    return [(body["left_steps"], body["to_steps"]) for body in events]


def crashing(*fates: str) -> tuple[World, Computer]:
    world = World(clock=FakeClock(), weekly_s=None, fate=list(fates))
    return world, Computer(world, CAMPAIGN, TRIALS)


def test_two_crashes_after_a_checkpoint_are_followed_by_its_parent() -> None:
    world, computer = crashing("", "", "crash", "crash")
    ticked, _ = carried_through(computer)
    assert ticked.complete and world.wrongs == [] and computer.ledger.rebuild()
    once, twice = PER_SESSION, 2 * PER_SESSION
    assert starts(computer) == [0, once, twice, twice, once, twice]
    assert walks(computer) == [(twice, once)]


def test_one_crash_is_another_attempt_and_no_more() -> None:
    _, computer = crashing("", "", "crash")
    ticked, _ = carried_through(computer)
    assert ticked.complete and walks(computer) == []


def test_a_platform_that_is_ill_for_days_takes_two_checkpoints_at_most() -> None:
    """Whatever crashes, crashes: no training is taken apart to its beginning for that."""
    world, computer = crashing("", "", *["crash"] * 14)
    ticked, _ = carried_through(computer)
    assert ticked.complete and world.wrongs == []
    assert walks(computer) == [(2 * PER_SESSION, PER_SESSION)], "the first checkpoint has no parent"


def _acts_of_a_walk() -> tuple[int, int]:
    """Numbers of the acts of the world between the second crash and the session after the walk back."""
    fuses = []
    for wanted in (4, 5):
        world, computer = crashing("", "", "crash", "crash")
        world.fuse = 10**6
        while world.submits < wanted:
            computer.tick()
            if world.submits < wanted:
                world.clock.sleep(3600.0)
        fuses.append(10**6 - (world.fuse or 0))
    return fuses[0], fuses[1]


FIRST, LAST = _acts_of_a_walk()


@pytest.mark.parametrize("act", range(FIRST - 1, LAST + 2))
def test_killed_anywhere_on_the_way_it_is_complete_and_has_gone_back_once(act: int) -> None:
    world, computer = crashing("", "", "crash", "crash")
    world.fuse = act
    while True:
        ticked = computer.tick()
        if ticked is not None and all(one.state is State.DONE for one in ticked.statuses):
            break
        world.clock.sleep(3600.0)
        assert world.now_s < 30 * 86_400
    assert world.wrongs == [] and computer.ledger.rebuild()
    begun = starts(computer)
    assert begun.count(2 * PER_SESSION) >= 2 and begun[-2:] == [PER_SESSION, 2 * PER_SESSION]
    assert len(walks(computer)) <= 1
