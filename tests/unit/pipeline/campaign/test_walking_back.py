"""A campaign walks back from a checkpoint after two failures as `run` does, even if killed, and completes."""

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
"""Steps of one session: its wall time without start and save, times 10 steps/s."""


def starts(computer: Computer) -> list[int]:
    return [record.steps_begun or 0 for record in computer.ledger.sessions() if not record.never_submitted]


def walks(computer: Computer) -> list[tuple[int, int]]:
    events = [event.body for event in computer.ledger.events() if event.kind is EventKind.WALKED_BACK]
    return [(body["left_steps"], body["to_steps"]) for body in events]


def crashing(*fates: str) -> tuple[World, Computer]:
    world = World(clock=FakeClock(), weekly_s=None, fate=list(fates))
    return world, Computer(world, CAMPAIGN, TRIALS)


def test_two_crashes_from_a_checkpoint_continue_from_its_parent() -> None:
    world, computer = crashing("", "", "crash", "crash")
    report, _ = carried_through(computer)
    assert report.complete and world.wrongs == [] and computer.ledger.rebuild()
    once, twice = PER_SESSION, 2 * PER_SESSION
    assert starts(computer) == [0, once, twice, twice, once, twice]
    assert walks(computer) == [(twice, once)]


def test_one_crash_is_retried_from_the_same_checkpoint() -> None:
    _, computer = crashing("", "", "crash")
    report, _ = carried_through(computer)
    assert report.complete and walks(computer) == []


def test_a_platform_failing_for_days_abandons_only_the_newest_checkpoint() -> None:
    """Repeated platform crashes must not walk a training back to step 0."""
    world, computer = crashing("", "", *["crash"] * 14)
    report, _ = carried_through(computer)
    assert report.complete and world.wrongs == []
    assert walks(computer) == [(2 * PER_SESSION, PER_SESSION)], "the first checkpoint has no parent"


def _side_effects_of_a_walk_back() -> tuple[int, int]:
    """Numbers of the first and last side effect between the second crash and the session after the walk back."""
    fuses = []
    for submits in (4, 5):
        world, computer = crashing("", "", "crash", "crash")
        world.fuse = 10**6
        while world.submits < submits:
            computer.tick()
            if world.submits < submits:
                world.clock.sleep(3600.0)
        fuses.append(10**6 - (world.fuse or 0))
    return fuses[0], fuses[1]


FIRST, LAST = _side_effects_of_a_walk_back()


@pytest.mark.parametrize("act", range(FIRST - 1, LAST + 2))
def test_a_kill_anywhere_in_the_walk_back_completes_and_walks_back_at_most_once(act: int) -> None:
    world, computer = crashing("", "", "crash", "crash")
    world.fuse = act
    while True:
        report = computer.tick()
        if report is not None and all(one.state is State.DONE for one in report.statuses):
            break
        world.clock.sleep(3600.0)
        assert world.now_s < 30 * 86_400
    assert world.wrongs == [] and computer.ledger.rebuild()
    start_steps = starts(computer)
    assert start_steps.count(2 * PER_SESSION) >= 2 and start_steps[-2:] == [PER_SESSION, 2 * PER_SESSION]
    assert len(walks(computer)) <= 1
