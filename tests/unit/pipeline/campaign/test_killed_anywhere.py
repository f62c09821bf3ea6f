"""A program killed between any two side effects: the next one uses the kernel names of an undisturbed run."""

from __future__ import annotations

import pytest

from tests.doubles.clock import FakeClock
from tests.simulation.campaigns import SMALL, expanded
from tests.simulation.computer import Computer, carried_through
from tests.simulation.world import World

ONE = expanded(SMALL.partition("    matrix:")[0].replace("seeds: 2", "seeds: 1"))


def kernel_names(after: int | None, *, session: int) -> list[str]:
    """Names of all kernels in push order; the program is killed `after` side effects from the end of `session` on."""
    world = World(clock=FakeClock(), weekly_s=None, slots=1)
    computer = Computer(world, *ONE)
    while world.submits < session:
        computer.tick()
        world.clock.sleep(10 * 3600.0)
    world.fuse = after
    computer.tick()
    world.fuse = None
    report, _ = carried_through(computer)
    assert report.complete and world.wrongs == []
    return list(world.kernels)


@pytest.mark.parametrize("session", [1, 2])
def test_a_kill_does_not_change_the_kernel_names(session: int) -> None:
    undisturbed = kernel_names(None, session=session)
    assert len(undisturbed) >= 3 and not any(name.endswith("-a2") for name in undisturbed)
    for after in range(1, 41):
        assert kernel_names(after, session=session) == undisturbed, after
