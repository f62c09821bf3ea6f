"""Ledger, checkpoints, results and kernels are lost or from different times: no verifiable step is trained again.

A CI job cancelled while it restores its cache leaves such a state, and so does copying only one part by hand.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from orchestrator.core.campaign.trial_status import State
from orchestrator.core.checkpoint.inventory import CheckpointInventory
from orchestrator.core.ledger.events import Event
from orchestrator.core.session.backend_types import Push
from orchestrator.kernel.wire import checkpoint_steps
from tests.doubles.clock import FakeClock
from tests.simulation.campaigns import expanded
from tests.simulation.computer import Computer, carried_through
from tests.simulation.world import HIDDEN_S, Kernel, World

LONG = """
campaign: long
retries: {stuck: 9}
assume: {steps_per_s: 10.0}
trials:
  main:
    section: section_7_6
    settings: {profiles.full.target_steps: 2000000, profiles.full.deadline_s: 32400.0}
"""
"""One training of seven sessions."""
CAMPAIGN, TRIALS = expanded(LONG)
LINEAGE = TRIALS[0].lineage_id


class RecordingWorld(World):
    """A world that records the number of steps from which each session starts."""

    def submit(self, push: Push) -> None:
        stems = (one.path.rpartition("/")[2].removesuffix(".zip") for one in push.ticket.inputs)
        self.starts = [*getattr(self, "starts", []), max((checkpoint_steps(stem) or 0 for stem in stems), default=0)]
        super().submit(push)


@dataclass
class SavedState:
    """State of a computer after one tick."""

    events: int
    view: CheckpointInventory
    results: dict[str, Kernel]


def new_world(fate: tuple[str, ...] = ()) -> RecordingWorld:
    return RecordingWorld(clock=FakeClock(), weekly_s=None, fate=list(fate))


def history(world: World, ticks: int) -> tuple[list[Event], list[SavedState]]:
    """All ledger events of `ticks` ticks of one computer, and its state after each tick."""
    computer = Computer(world, CAMPAIGN, TRIALS)
    moments = []
    for _ in range(ticks):
        computer.tick()
        view = computer.models[LINEAGE].view()
        moments.append(SavedState(len(computer.ledger.events()), view, dict(computer.results.brought)))
        world.clock.sleep(10 * 3600.0)
    return list(computer.ledger.events()), moments


def computer_with(
    world: World, events: list[Event], view: CheckpointInventory | None, results: dict[str, Kernel]
) -> Computer:
    """A computer that holds only these parts."""
    computer = Computer(world, CAMPAIGN, TRIALS)
    for event in events:
        computer.ledger.record(event)
    computer.context.run_context(TRIALS[0].card, "local")
    if view is not None:
        computer.models[LINEAGE].hold(view)
    computer.results.brought.update(results)
    computer.results.listed = True
    return computer


def most_verifiable_steps(world: World, view: CheckpointInventory | None, results: dict[str, Kernel]) -> int:
    """The largest step count of any checkpoint that can be verified anywhere."""
    cards = [one.card for one in (*results.values(), *world.kernels.values()) if one.card is not None]
    return max([one.steps for one in cards] + [view.steps if view else 0])


FINAL = history(new_world(), 8)[1][-1].view.verified[0]


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
@given(
    data=st.data(),
    ticks=st.integers(1, 8),
    fate=st.lists(st.sampled_from(["", "half", "crash"]), max_size=3).map(tuple),
)
def test_no_session_starts_below_the_newest_verifiable_checkpoint(
    data: st.DataObject, ticks: int, fate: tuple[str, ...]
) -> None:
    world = new_world(fate)
    events, moments = history(world, ticks)
    world.clock.sleep(HIDDEN_S + 1)
    kept = data.draw(st.one_of(st.just(len(events)), st.just(0), st.integers(0, len(events))), label="events kept")
    of_models = data.draw(st.one_of(st.none(), st.sampled_from(moments)), label="models of")
    of_results = data.draw(st.one_of(st.none(), st.sampled_from(moments)), label="results of")
    deleted = data.draw(st.sets(st.sampled_from(sorted(world.kernels))), label="kernels deleted")
    view, results = of_models.view if of_models else None, of_results.results if of_results else {}
    for slug in deleted:
        assume(world.kernels[slug].ends_s <= world.now_s)
        del world.kernels[slug]
    best, before = most_verifiable_steps(world, view, results), len(world.starts)

    computer = computer_with(world, events[:kept], view, results)
    report, _ = carried_through(computer, most_ticks=400)
    starts = world.starts[before:]
    assert all(steps >= best for steps in starts), (starts, best)
    assert world.wrongs == []
    (status,) = report.statuses
    if status.state is State.FAILED:
        assert best == 0 and starts == [] and any("from step 0" in one for one in report.troubles)
    else:
        final = computer.models[LINEAGE].view()
        assert status.state is State.DONE
        # A trial that was already finished starts no session, so its final policy need not be in place.
        assert not starts or final.verified[0].files == FINAL.files


def test_a_ledger_without_checkpoints_is_refused_with_reason_and_remedy() -> None:
    world = new_world()
    events, _ = history(world, 3)
    world.kernels.clear()
    world.living.clear()
    before = world.submits
    report, _ = carried_through(computer_with(world, events, None, {}))
    assert not report.complete and world.submits == before
    (trouble,) = {one.partition(": ")[2] for one in report.troubles}
    assert "from step 0" in trouble and "--fresh" in trouble and "Copy its checkpoints" in trouble
