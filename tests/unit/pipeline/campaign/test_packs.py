"""Trainings that share kernels end as those that do not, with fewer kernels and hours, whatever goes wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.core.errors import BadInput, NameTaken
from orchestrator.core.ledger.records import AskedBy
from orchestrator.core.section.session_kind import SessionKind
from orchestrator.core.session.backend_types import Carrier, Push
from orchestrator.core.session.slug import is_pack
from orchestrator.pipeline.run.release import release
from orchestrator.pipeline.session import lifecycle
from orchestrator.pipeline.session.stop import ask_to_stop
from tests.doubles.clock import FakeClock
from tests.simulation.campaigns import SMALL, expanded
from tests.simulation.computer import Computer, carried_through
from tests.simulation.world import SAVE_S, SimBackend, World

GPU, CPU = SessionKind.GPU, SessionKind.CPU
ALONE = expanded(SMALL)
PACKED = expanded(SMALL + "pack: 4\n")


def policies(computer: Computer) -> dict[str, tuple[int, str]]:
    return {
        lineage_id: (models.view().steps, models.view().verified[0].files[0].sha256)
        for lineage_id, models in computer.models.items()
        if models.view().verified
    }


def finished(computer: Computer) -> Computer:
    report, _ = carried_through(computer)
    assert report.complete, report
    assert computer.world.wrongs == []
    return computer


EXPECTED = policies(finished(Computer(World(clock=FakeClock()), *ALONE)))


def test_a_packed_campaign_has_the_same_result_with_fewer_kernels_in_less_time() -> None:
    alone, packed = (finished(Computer(World(clock=FakeClock()), *one)) for one in (ALONE, PACKED))
    assert policies(packed) == EXPECTED
    assert (alone.world.submits, packed.world.submits) == (13, 4)
    assert packed.world.now_s < 0.6 * alone.world.now_s
    assert sum(packed.world.used_s.values()) < 0.35 * sum(alone.world.used_s.values())
    assert sorted(map(is_pack, [*packed.world.packs, *packed.world.kernels])) == [False, True, True, True]


def test_each_session_of_a_packed_campaign_uses_one_thread_also_alone() -> None:
    packed, alone = (finished(Computer(World(clock=FakeClock()), *one)).ledger.sessions() for one in (PACKED, ALONE))
    assert {one.kernel is None for one in packed} == {True, False}
    assert {one.ticket["spec"].get("one_thread") for one in packed} == {True}
    assert {one.ticket["spec"].get("one_thread") for one in alone} == {None}


def test_the_slots_are_those_of_kernels() -> None:
    computer = Computer(World(clock=FakeClock()), *expanded(SMALL + "pack: 2\n"))
    report = computer.tick()
    assert report is not None and report.waits == ""
    assert len(computer.ledger.open_sessions()) == 4 and len(computer.world.packs) == 2


BOTH_KINDS = SMALL.replace("concurrency: 2", "backend: kaggle\nsessions: {gpu: 1, cpu: 1}")


def both_kinds(pack: str) -> Computer:
    world = World(clock=FakeClock(), kind_slots={GPU: 1, CPU: 1})
    return Computer(world, *expanded(f"{BOTH_KINDS}{pack}\n"))


def test_packs_fill_both_kinds_of_session() -> None:
    computer = both_kinds("pack: 2")
    report = computer.tick()
    assert report is not None and report.waits == ""
    kernels = {pack: [one.kind for one in computer.world.packs[pack]] for pack in computer.world.packs}
    assert sorted(kernels.values()) == [[CPU, CPU], [GPU, GPU]]
    assert policies(finished(computer)) == EXPECTED
    kinds: dict[str, set[SessionKind | None]] = {}
    for record in computer.ledger.sessions():
        kinds.setdefault(record.lineage_id, set()).add(record.kind)
    assert all(len(found) == 1 for found in kinds.values())


@pytest.mark.parametrize("after", range(3, 60, 8))
def test_a_kill_anywhere_changes_nothing_in_packs_of_both_kinds(after: int) -> None:
    computer = both_kinds("pack: 2")
    computer.world.fuse = after
    assert policies(finished(computer)) == EXPECTED


def test_the_card_says_how_many_share_a_kernel_unless_the_campaign_does() -> None:
    by_card = SMALL.replace("settings: {", "settings: {pack: 2, ")
    for text, kernels in ((by_card, 2), (f"{by_card}pack: 4\n", 1)):
        computer = Computer(World(clock=FakeClock()), *expanded(text))
        computer.tick()
        assert (len(computer.world.packs), len(computer.ledger.open_sessions())) == (kernels, 4)
    with pytest.raises(BadInput, match="pack must be auto or a number from 1 to 16, not 0"):
        expanded(SMALL.replace("settings: {", "settings: {pack: 0, "))


@pytest.mark.parametrize("after", range(1, 70, 2))
def test_a_kill_anywhere_changes_nothing(after: int) -> None:
    computer = Computer(World(clock=FakeClock()), *PACKED)
    computer.world.fuse = after
    assert policies(finished(computer)) == EXPECTED


@pytest.mark.parametrize("how", ["before", "after"])
def test_a_lost_answer_starts_no_session_twice(how: str) -> None:
    computer = Computer(World(clock=FakeClock(), lose=[how]), *PACKED)
    assert policies(finished(computer)) == EXPECTED


@pytest.mark.parametrize("hours", [0.1, 5.0, 9.5, 14.0, 24.0])
def test_a_lost_ledger_is_rebuilt_with_every_session_of_a_pack(hours: float) -> None:
    world = World(clock=FakeClock())
    lost = Computer(world, *PACKED)
    lost.tick()
    passed_h = 0.0
    while passed_h < hours:
        world.clock.sleep(min(2.0, hours - passed_h) * 3600)
        passed_h += 2.0
        lost.tick()
    world.clock.sleep(120.0)
    found = Computer(world, *PACKED)
    found.recover()
    known, rebuilt = (
        {one.nonce: (one.slug, one.kernel, one.kernel_sessions, one.handle) for one in computer.ledger.sessions()}
        for computer in (lost, found)
    )
    assert rebuilt == known
    assert policies(finished(found)) == EXPECTED


def test_an_older_ledger_learns_of_every_session_of_a_pack_before_it_starts_one() -> None:
    """Two computers take turns: the second one knows nothing of the first one's packs."""
    world = World(clock=FakeClock())
    first, second = (Computer(world, *PACKED) for _ in range(2))
    first.tick()
    world.clock.sleep(300.0)
    second.tick()
    assert world.submits == 1
    assert policies(finished(second)) == EXPECTED


def test_a_pack_that_is_not_listed_yet_is_adopted_and_not_started_again() -> None:
    world = World(clock=FakeClock(), listed_after_s=3000.0)
    first, second = (Computer(world, *PACKED) for _ in range(2))
    first.tick()
    for _ in range(3):
        world.clock.sleep(120.0)
        second.tick()
    assert world.submits == 1 and world.wrongs == []
    rebuilt, known = (
        sorted((one.slug, one.kernel, one.handle) for one in two.ledger.open_sessions()) for two in (first, second)
    )
    assert rebuilt == known
    assert policies(finished(second)) == EXPECTED


def test_checkpoints_of_a_pack_share_the_space_of_one_script(monkeypatch: pytest.MonkeyPatch) -> None:
    """One set of checkpoints fits into the script, four do not: they are mounted, and the pack stays whole."""
    computer = Computer(World(clock=FakeClock()), *PACKED)
    computer.tick()
    computer.world.clock.sleep(10 * 3600.0)
    backends = [computer.context.run_context(trial.card, "local").backend for trial in PACKED[1]]
    room = 100_000
    monkeypatch.setattr(lifecycle, "most_bytes", lambda *args, **kwargs: 0)
    monkeypatch.setattr(lifecycle, "inline_bytes", lambda size_bytes, files: room // 2)
    for backend in backends:
        carriers = (Carrier.INLINE, Carrier.DATASET)
        limited = replace(backend.capabilities, carriers=carriers, max_script_bytes=room)
        monkeypatch.setattr(backend, "_capabilities", limited)
    computer.tick()
    packed = [one for one in computer.ledger.open_sessions() if one.kernel is not None]
    assert len(packed) == 4 and {one.carrier for one in packed} == {Carrier.DATASET}


def test_one_session_that_crashes_does_not_touch_the_others() -> None:
    doomed = PACKED[1][0].lineage_id
    computer = Computer(World(clock=FakeClock(), doomed={doomed: 1}), *PACKED)
    computer.tick()
    computer.world.clock.sleep(10 * 3600.0)
    computer.tick()
    ends = {record.lineage_id: record.end_reason for record in computer.ledger.sessions() if record.session == 1}
    assert ends.pop(doomed) == "crashed" and set(ends.values()) == {"paused"}
    assert policies(finished(computer)) == EXPECTED


def test_no_state_is_left_open_at_the_end() -> None:
    computer = finished(Computer(World(clock=FakeClock()), *PACKED))
    assert list(computer.ledger.open_sessions()) == []


def test_a_kernel_stops_once_all_its_sessions_were_asked_to() -> None:
    world = World(clock=FakeClock(), can_cancel=True)
    computer = Computer(world, *PACKED)
    computer.tick()
    world.clock.sleep(3600.0)
    records = computer.ledger.open_sessions()
    contexts = [computer.context.run_context(trial.card, "local") for trial in PACKED[1][:4]]
    for record in records[:-1]:
        ask_to_stop(contexts[0], record, AskedBy.SEARCH)
        ends_s = {kernel.ends_s for kernel in world.living.values()}
        assert min(ends_s) > world.now_s + 3600.0
    with pytest.raises(BadInput, match=r"shares its kernel with 1 session"):
        ask_to_stop(contexts[0], records[0], AskedBy.USER)
    ask_to_stop(contexts[0], records[-1], AskedBy.SEARCH)
    assert {kernel.ends_s for kernel in world.living.values()} == {world.now_s + SAVE_S}
    assert all(one.stop_asked_by for one in computer.ledger.open_sessions())


def test_a_fresh_start_does_not_advise_to_stop_the_kernel_of_others() -> None:
    computer = Computer(World(clock=FakeClock(), can_cancel=True), *PACKED)
    computer.tick()
    computer.world.clock.sleep(3600.0)
    record = computer.ledger.open_sessions()[0]
    trial = next(one for one in PACKED[1] if one.lineage_id == record.lineage_id)
    context = computer.context.run_context(trial.card, "local")
    release(context, record, context.models.view())
    assert "shares its kernel with 3 session(s) that go on" in computer.listener.text
    assert "own page" not in computer.listener.text


@pytest.mark.parametrize(
    ("method", "fault"),
    [("submit", BadInput("the image is refused")), ("stage", NameTaken("the name is taken"))],
)
def test_a_refused_pack_starts_its_first_session_alone(
    method: str, fault: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = getattr(SimBackend, method)

    def refusing(backend: SimBackend, push: Push) -> object:
        if push.companions:
            raise fault
        return whole(backend, push)

    computer = Computer(World(clock=FakeClock()), *PACKED)
    with monkeypatch.context() as patch:
        patch.setattr(SimBackend, method, refusing)
        report = computer.tick()
    assert report is not None and str(fault) in str(report.troubles)
    assert [record.kernel for record in computer.ledger.open_sessions()] == [None]
    assert policies(finished(computer)) == EXPECTED
