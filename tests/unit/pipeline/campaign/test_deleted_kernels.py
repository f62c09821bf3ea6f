"""Kernels were deleted on the backend: recovery restores the newest remaining checkpoint.

If no checkpoint can be restored, no training restarts from step 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from orchestrator.core.campaign.trial_status import State
from orchestrator.core.errors import BadInput, RemoteUnavailable
from orchestrator.core.ledger.events import Event, EventKind
from orchestrator.core.session.backend_types import Handle, RemoteSession
from orchestrator.core.session.slug import place_of_slug
from orchestrator.kernel.wire import Ticket
from orchestrator.pipeline.campaign.context import request_of_trial
from orchestrator.pipeline.campaign.tick_report import TickReport
from orchestrator.pipeline.run.adoption import adopt
from orchestrator.pipeline.run.runner import execute, preview
from tests.doubles.clock import FakeClock
from tests.simulation.campaigns import expanded
from tests.simulation.computer import Computer, carried_through
from tests.simulation.world import HIDDEN_S, Killed, World

LONG = """
campaign: long
retries: {stuck: 3}
assume: {steps_per_s: 10.0}
trials:
  main:
    section: section_7_6
    settings: {profiles.full.target_steps: 2000000, profiles.full.deadline_s: 32400.0}
"""
"""One training of seven sessions."""
CAMPAIGN, TRIALS = expanded(LONG)
LINEAGE = TRIALS[0].lineage_id


def trained(sessions: int, *, fate: tuple[str, ...] = ()) -> tuple[World, Computer]:
    """A world with `sessions` ended sessions, the last one with this fate, and the computer that pushed them."""
    world = World(clock=FakeClock(), weekly_s=None)
    computer = Computer(world, CAMPAIGN, TRIALS)
    for number in range(1, sessions + 1):
        if number == sessions:
            world.fate = list(fate)
        while world.submits < number:
            computer.tick()
            world.clock.sleep(3600.0)
        world.clock.sleep(10 * 3600.0)
    return world, computer


def delete(world: World, *numbers: int) -> None:
    for slug in [slug for slug in world.kernels if (place_of_slug(slug, LINEAGE) or (0,))[0] in numbers]:
        del world.kernels[slug]


def new_computer(world: World) -> Computer:
    return Computer(world, CAMPAIGN, TRIALS)


def steps_at(computer: Computer) -> int:
    return computer.models[LINEAGE].view().steps if LINEAGE in computer.models else 0


def inputs_of(world: World, session: int) -> Iterator[int]:
    for slug, kernel in world.kernels.items():
        if (place_of_slug(slug, LINEAGE) or (0,))[0] == session:
            yield max(
                (int(one.path.rsplit("_", 2)[1]) for one in kernel.ticket.inputs if ".zip" in one.path), default=0
            )


@pytest.mark.parametrize("deleted", [(1,), (1, 2, 3), (2,), (1, 3)], ids=str)
def test_a_run_continues_from_the_remaining_kernels_whatever_their_numbers(deleted: tuple[int, ...]) -> None:
    world, first = trained(4)
    delete(world, *deleted)
    first.tick()  # the first computer has everything; it collects the fourth session, for comparison
    del world.kernels[max(world.kernels)]
    world.living.clear()
    copy = new_computer(world)
    copy.recover()
    copy.tick()
    assert steps_at(copy) == steps_at(first) > 1_200_000
    assert list(inputs_of(world, 5)) == [steps_at(first)]
    assert all(one.recovered for one in copy.ledger.sessions() if one.session < 5)
    report, _ = carried_through(copy)
    assert report.complete and copy.ledger.rebuild()
    assert max(place_of_slug(slug, LINEAGE) or (0, 0) for slug in world.kernels) == (7, 1)


def test_a_tick_without_recover_adopts_existing_kernels_before_it_starts_any() -> None:
    world, _ = trained(3)
    delete(world, 1)
    before = world.submits
    copy = new_computer(world)
    report = copy.tick()
    assert world.submits == before and report is not None and report.statuses[0].state is State.LIVE
    copy.tick()
    assert steps_at(copy) > 900_000 and list(inputs_of(world, 4)) == [steps_at(copy)]


def test_the_newest_kernel_is_found_before_the_listing_shows_it() -> None:
    world, _ = trained(4)
    delete(world, 1, 2)
    world.listed_after_s = 20 * 3600.0
    copy = new_computer(world)
    copy.recover()
    copy.tick()
    assert steps_at(copy) > 1_200_000


def test_no_session_starts_while_the_listing_cannot_be_read() -> None:
    world, _ = trained(3)
    delete(world, 1, 2)
    world.listed_after_s, before = None, world.submits
    copy = new_computer(world)
    with pytest.raises(RemoteUnavailable):
        copy.recover()
    report = copy.tick()
    assert report is not None and report.backend_away and world.submits == before
    world.listed_after_s = 0.0
    copy.tick()
    copy.tick()
    assert list(inputs_of(world, 4)) == [steps_at(copy)] and steps_at(copy) > 900_000


def assert_refused(report: TickReport | None) -> None:
    assert report is not None and report.statuses[0].state is State.FAILED and report.over and not report.complete
    (trouble,) = {one.partition(": ")[2] for one in report.troubles}
    assert "from step 0" in trouble and "--fresh" in trouble


def test_steps_without_a_restorable_checkpoint_are_not_trained_again() -> None:
    world, _ = trained(3, fate=("crash",))  # the third starts from the second's checkpoint and crashes without saving
    delete(world, 1, 2)
    before = world.submits
    copy = new_computer(world)
    copy.recover()
    for _ in range(3):
        report = copy.tick()
        world.clock.sleep(6 * 3600.0)
    assert_refused(report)
    assert world.submits == before and steps_at(copy) == 0


def test_run_and_dry_run_refuse_too_and_fresh_starts_from_step_0() -> None:
    world, _ = trained(3, fate=("crash",))
    delete(world, 1, 2)
    before = world.submits
    copy = new_computer(world)
    copy.recover()
    copy.tick()
    context, request = copy.context.run_context(TRIALS[0].card, "local"), request_of_trial(TRIALS[0])
    for act in (execute, preview):
        with pytest.raises(BadInput, match="from step 0"):
            act(context, request)
    assert world.submits == before
    summary = execute(context, replace(request, fresh=True))
    assert summary.end_reason == "finished" and list(inputs_of(world, 4)) == [0]


def test_a_first_session_that_crashed_without_saving_is_retried() -> None:
    world, _ = trained(1, fate=("crash",))
    copy = new_computer(world)
    copy.recover()
    report, _ = carried_through(copy)
    assert report.complete


@pytest.mark.parametrize("read_back", [False, True])
def test_checkpoints_that_vanish_during_a_campaign_are_restored(read_back: bool) -> None:
    """An empty directory is a fresh start only for `run`: a tick cannot distinguish it from a loss."""
    world, first = trained(3)
    first.tick()
    copy = first
    if read_back:
        world.clock.sleep(HIDDEN_S + 1)
        copy = new_computer(world)
        copy.recover()
        copy.tick()
    world.clock.sleep(10 * 3600.0)
    copy.models[LINEAGE].empty()
    while world.submits < 5:
        copy.tick()
        world.clock.sleep(6 * 3600.0)
    assert min(inputs_of(world, 5)) > 1_200_000
    report, _ = carried_through(copy)
    assert report.complete and world.submits == 7 and world.wrongs == []


def test_run_starts_fresh_in_a_directory_that_the_user_emptied() -> None:
    world, first = trained(2)
    context, request = first.context.run_context(TRIALS[0].card, "local"), request_of_trial(TRIALS[0])
    assert execute(replace(context, waits=False), replace(request, starts=False)).steps_done > 600_000
    first.models[LINEAGE].empty()
    before = world.submits
    execute(context, request)
    assert list(inputs_of(world, before + 1)) == [0]


def test_kernels_of_other_trainings_and_copies_under_similar_names_are_ignored() -> None:
    world, _ = trained(2)
    mine = list(world.kernels.values())
    slug = min(world.kernels)
    other = replace(mine[0].ticket, lineage_id=LINEAGE[:8] + "0" * 56, nonce="e" * 32)
    world.kernels[slug.replace("-s01", "-s03")] = replace(mine[0], ticket=other)
    world.kernels[slug.replace("-s01", "-s04")] = replace(mine[0], ticket=replace(mine[1].ticket, nonce="f" * 32))
    world.kernels[slug.replace("-s01", "-notes")] = mine[0]
    copy = new_computer(world)
    copy.recover()
    assert sorted(one.slug for one in copy.ledger.sessions()) == [slug, slug.replace("-s01", "-s02")]


def test_a_kernel_replaced_by_another_computer_does_not_overwrite_the_ledger() -> None:
    """The ledger already has a session with that number: the kernel is reported and ignored."""
    _, first = trained(2)
    record = first.ledger.sessions()[-1]
    replacement = replace(Ticket.from_json(record.ticket), nonce="d" * 32)
    existing = RemoteSession(handle=Handle.parse(str(record.handle)), ticket=replacement)
    assert not adopt(first.context.run_context(TRIALS[0].card, "local"), existing, recovered=True)
    assert first.ledger.session(record.key) == record and "is ignored" in first.listener.lines[-1]


def test_two_failed_polls_hours_apart_do_not_end_a_session_whose_kernel_exists() -> None:
    world = World(clock=FakeClock(), weekly_s=None)
    computer = Computer(world, CAMPAIGN, TRIALS)
    computer.tick()
    for _ in range(2):
        world.clock.sleep(2 * 3600.0)
        world.blind += ["absent"] * 2
        computer.tick()
    assert world.submits == 1 and computer.ledger.open_sessions()
    report, _ = carried_through(computer)
    assert report.complete and world.wrongs == [] and world.submits == 7


def test_a_session_not_seen_for_longer_than_any_session_lasts_is_gone() -> None:
    world = World(clock=FakeClock(), weekly_s=None, blind=["absent"] * 4)
    computer = Computer(world, CAMPAIGN, TRIALS)
    computer.tick()
    for _ in range(3):
        world.clock.sleep(5 * 3600.0)
        computer.tick()
    first = computer.ledger.sessions()[0]
    assert first.gone and first.slug in world.kernels


@pytest.mark.parametrize("ended", [False, True])
def test_a_run_continues_from_a_kernel_replaced_by_another_computer(ended: bool) -> None:
    """The first computer polls only after another computer's session took the name; this is no stale result."""
    world = World(clock=FakeClock(), weekly_s=None, fate=["crash"])
    first, second = Computer(world, CAMPAIGN, TRIALS), Computer(world, CAMPAIGN, TRIALS)
    first.tick()
    world.clock.sleep(10 * 3600.0)
    delete(world, 1)
    second.tick()
    world.clock.sleep((10.0 if ended else 1.0) * 3600.0)
    first.tick()
    report, _ = carried_through(first)
    assert report.complete and world.wrongs == [] and world.submits == 1 + 7 and first.ledger.rebuild()
    deleted, replacement = first.ledger.sessions()[:2]
    assert (
        deleted.slug == replacement.slug
        and deleted.gone
        and (deleted.end_reason, replacement.end_reason) == ("crashed", "paused")
    )


def test_a_session_deleted_while_it_runs_is_closed_as_crashed_and_retried() -> None:
    world = World(clock=FakeClock(), weekly_s=None)
    computer = Computer(world, CAMPAIGN, TRIALS)
    computer.tick()
    world.clock.sleep(3600.0)
    world.kernels.clear()
    world.living.clear()
    report, _ = carried_through(computer)
    assert report.complete and world.wrongs == []
    first = computer.ledger.sessions()[0]
    assert (first.end_reason, first.native, first.problems) == (
        "crashed",
        "gone: 404",
        ("the session wrote no manifest",),
    )


def test_a_kill_while_closing_an_unsubmitted_session_is_completed_by_the_next_tick() -> None:
    """The kill comes between the two events that close a session that was never submitted."""
    world = World(clock=FakeClock(), weekly_s=None, lose=["before"])
    computer = Computer(world, CAMPAIGN, TRIALS)
    record = computer.ledger.record
    computer.tick()
    world.clock.sleep(200.0)
    computer.tick()

    def record_and_get_killed_after_the_judgement(event: Event) -> None:
        record(event)
        if event.kind is EventKind.SESSION_JUDGED:
            raise Killed

    # Replaced for this test.
    computer.ledger.record = record_and_get_killed_after_the_judgement  # type: ignore[method-assign]
    world.clock.sleep(200.0)
    assert computer.tick() is None
    computer.ledger.record = record  # type: ignore[method-assign]  # replaced for this test
    report, _ = carried_through(computer)
    assert report.complete and computer.ledger.rebuild()
