"""A program that is killed between any two acts: the next one goes on under the very names of an undisturbed run."""

from __future__ import annotations

import pytest

from tests.doubles.clock import FakeClock
from tests.simulation.campaigns import SMALL, expanded
from tests.simulation.computer import Computer, carried_through
from tests.simulation.world import World

ONE = expanded(SMALL.partition("    matrix:")[0].replace("seeds: 2", "seeds: 1"))


def carried(after: int | None, *, session: int) -> list[str]:
    """Names of all kernels, in the order of their pushes; the program dies `after` acts from a session's end on."""
    world = World(clock=FakeClock(), weekly_s=None, slots=1)
    computer = Computer(world, *ONE)
    while world.submits < session:
        computer.tick()
        world.clock.sleep(10 * 3600.0)
    world.fuse = after
    computer.tick()
    world.fuse = None
    ticked, _ = carried_through(computer)
    assert ticked.complete and world.wrongs == []
    return list(world.kernels)


@pytest.mark.parametrize("session", [1, 2])
def test_a_kill_leaves_no_trace_in_the_names(session: int) -> None:
    undisturbed = carried(None, session=session)
    assert len(undisturbed) >= 3 and not any(name.endswith("-a2") for name in undisturbed)
    for after in range(1, 41):
        assert carried(after, session=session) == undisturbed, after
