"""How many trainings of chapter 7.6 a week without payment completes: the shipped files, ticked in simulated time."""

from __future__ import annotations

from collections import Counter

from orchestrator.core.ledger.records import SessionRecord
from orchestrator.core.section.session_kind import SessionKind
from tests.conftest import PROJECT_ROOT
from tests.doubles.clock import FakeClock
from tests.simulation.campaigns import expanded
from tests.simulation.computer import Computer
from tests.simulation.world import World

HOUR_S, WEEK_H = 3600.0, 7 * 24
ALONE = ("pack: auto", "pack: 1")


def sessions_of(name: str, hours: float, seeds: int, change: tuple[str, str] = ("", "")) -> tuple[SessionRecord, ...]:
    """The sessions of a shipped campaign after so many hours, with enough seeds that it never runs out of trials.

    Every training makes 400 steps/s, in a shared kernel too; an account has two GPU and five CPU sessions.
    """
    text = (PROJECT_ROOT / f"configs/campaigns/{name}.yaml").read_text("utf-8").replace(*change)
    text = text[: text.index("  decisions:")].replace("completed: 10", f"completed: {seeds}")
    kinds = {SessionKind.GPU: 2, SessionKind.CPU: 5}
    world = World(clock=FakeClock(), kind_slots=kinds, speed=lambda lineage_id: 400.0)
    computer = Computer(world, *expanded(text))
    while world.now_s < hours * HOUR_S:
        computer.tick(new_program=False)
        # With no kernel alive, wait for the next week's quota.
        world.clock.sleep(max((world.next_end_s() or world.now_s + 6 * HOUR_S) - world.now_s, 60.0))
    assert world.wrongs == []
    return tuple(computer.ledger.sessions())


def finished(sessions: tuple[SessionRecord, ...]) -> int:
    return sum(one.end_reason == "finished" for one in sessions)


def test_cpu_sessions_complete_more_than_eight_times_the_trainings_of_unpacked_gpu_sessions() -> None:
    """The CPU sessions have no quota: three hours are as good as any others."""
    alone = sessions_of("chapter_7_6", WEEK_H, 13, ALONE)
    packed = sessions_of("chapter_7_6", WEEK_H, 25)
    cpu = sessions_of("chapter_7_6_cpu", 3.0, 27)
    weekly = finished(alone), finished(packed), finished(cpu) * WEEK_H / 3.0
    print(
        f"trainings a week: {weekly[0]} each alone on GPUs, {weekly[1]} packed on GPUs, {weekly[2]:.0f} packed on CPUs"
    )
    assert weekly[1] == 2 * weekly[0] > 0 and weekly[2] >= 8 * weekly[0]
    assert {one.kernel for one in alone} == {None}
    assert set(Counter(one.kernel for one in packed).values()) == {2}
    assert set(Counter(one.kernel for one in cpu).values()) == {4}
    assert {one.kind for one in cpu} == {SessionKind.CPU}
