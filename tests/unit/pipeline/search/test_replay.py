"""A whole search by the real tick on a virtual clock: kills and lost ledgers change no proposal and no pruning."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.core.campaign.expansion import Trial
from orchestrator.core.campaign.trial_status import State
from orchestrator.core.reporting.campaign_forecast import forecast_campaign
from orchestrator.kernel.wire import Ticket
from orchestrator.pipeline.campaign.context import read_trial_statuses
from orchestrator.pipeline.campaign.finished_trials import finished_trials
from orchestrator.pipeline.campaign.tick_report import TickReport
from tests.doubles.clock import FakeClock
from tests.simulation.campaigns import expanded
from tests.simulation.computer import Computer, carried_through
from tests.simulation.world import World

RATE, GAMMA = "algorithms.PPO.learning_rate.start", "algorithms.PPO.gamma"
SEARCH = f"""
campaign: small
concurrency: 2
retries: {{stuck: 9, crashed: 9}}
assume: {{steps_per_s: 10.0}}
trials:
  look:
    section: section_7_6
    settings: {{algorithm: PPO, profiles.full.target_steps: 600000, profiles.full.deadline_s: 32400.0}}
    search:
      space:
        {RATE}: {{low: 1.0e-4, high: 1.0e-2, log: true}}
        {GAMMA}: [0.95, 0.97, 0.99]
      trials: 8
      batch: 3
      startup_trials: 2
      pruner: {{kind: median, startup_trials: 2}}
  later:
    section: section_7_6
    profile: quick
    settings: {{environment.decision_s: 5.0, profiles.quick.deadline_s: 32400.0}}
    after: [look]
"""
"""Three batches of trainings of two sessions each, then a short training that waits for them."""


def score(ticket: Ticket, steps: int) -> float:
    """A curve that is highest at a learning rate of 2e-3 and lower everywhere for other rates."""
    learning = ticket.spec["lineage"]["hyper_parameters"]
    return -abs(math.log10(learning["learning_rate"]["start"] / 2e-3)) - 10.0 * (1.0 - learning["gamma"]) - 1e4 / steps


def new_world(**traits: Any) -> World:
    return World(clock=FakeClock(), weekly_s=None, score=score, **traits)


def new_computer(world: World, text: str = SEARCH) -> Computer:
    return Computer(world, *expanded(text))


def outcomes(report: TickReport) -> list[tuple[str, State, str, float | None]]:
    return [
        (one.trial.name8, one.state, one.why, one.trial.variant.searched and one.trial.variant.searched.value)
        for one in report.statuses
    ]


def varied_settings(trials: tuple[Trial, ...]) -> list[dict[str, object]]:
    return [dict(trial.variant.varied) for trial in trials if trial.variant.searched]


@pytest.fixture(scope="module")
def undisturbed() -> TickReport:
    report, _ = carried_through(new_computer(new_world()))
    return report


def test_a_search_runs_batch_by_batch_and_the_waiting_group_runs_after_it(undisturbed: TickReport) -> None:
    searched = [one for one in undisturbed.statuses if one.trial.variant.searched]
    assert undisturbed.complete and len(searched) == 8 and undisturbed.statuses[-1].state is State.DONE
    # Each variant of a search has it.
    assert [one.trial.variant.searched.batch for one in searched] == [0, 0, 0, 1, 1, 1, 2, 2]  # type: ignore[union-attr]
    states = [one.state for one in searched]
    assert states[:3] == [State.DONE] * 3 and State.PRUNED in states[3:] and State.DONE in states[3:]
    for one in searched:
        # Each variant of a search has it.
        assert (one.state is State.PRUNED) == (one.trial.variant.searched.value is None)  # type: ignore[union-attr]


def test_a_pruned_trial_starts_no_further_session_and_is_in_no_table(undisturbed: TickReport) -> None:
    world = new_world()
    carried_through(computer := new_computer(world))
    statuses = read_trial_statuses(
        computer.ledger, computer.context.campaign, computer.ticker._context.trials, computer.context.code_digest
    )
    pruned = {one.trial.lineage_id: one.sessions for one in statuses if one.state is State.PRUNED}
    assert pruned and set(pruned.values()) == {1}
    statuses = read_trial_statuses(
        computer.ledger, computer.context.campaign, computer.ticker._context.trials, computer.context.code_digest
    )
    rows = finished_trials(computer.ledger, computer.results, statuses, computer.context.code_digest)
    finished = {one.trial.lineage_id for one in rows}
    assert not finished & pruned.keys() and len(finished) == len(statuses) - len(pruned)


def test_kills_and_changes_of_computer_change_no_proposal_and_no_pruning(undisturbed: TickReport) -> None:
    draw, world = random.Random(3), new_world()
    two = [new_computer(world), new_computer(world)]  # each with its own ledger; they take turns at random
    for _ in range(400):
        which = draw.randrange(2)
        world.clock.sleep(world.hidden_s + draw.choice([1.0, 3600.0, 4 * 3600.0]))
        if draw.random() < 0.05:  # the runner's disk is lost
            two[which] = new_computer(world)
            two[which].recover()
        world.fuse = draw.choice([None, draw.randint(1, 40)])
        world.fate += ["half"] if draw.random() < 0.05 else []
        report = two[which].tick(recovering=draw.random() < 0.3)
        world.fuse = None
        if report is not None and report.over:
            break
    world.fate.clear()
    for computer in two:
        report, _ = carried_through(computer)
        assert report.complete and outcomes(report) == outcomes(undisturbed)
        assert computer.ledger.rebuild()
    assert world.wrongs == []


def test_an_empty_ledger_recovers_all_batches_in_one_tick_without_a_push(undisturbed: TickReport) -> None:
    world = new_world()
    carried_through(new_computer(world))
    pushed = world.submits
    world.clock.sleep(86_400.0)
    fresh = new_computer(world)
    fresh.recover()
    report = fresh.tick(recovering=True)
    assert report is not None and report.over and outcomes(report) == outcomes(undisturbed)
    assert world.submits == pushed


def test_cancelling_pruned_sessions_saves_time_and_changes_no_outcome() -> None:
    """Trainings of one session each: polled only after their end, or every half hour with cancellation."""
    text = SEARCH.replace("target_steps: 600000", "target_steps: 300000")
    uncancelled_world, cancelling_world = new_world(), new_world(can_cancel=True)
    uncancelled, _ = carried_through(new_computer(uncancelled_world, text))
    computer = new_computer(cancelling_world, text)
    stop_requests: list[str] = []
    for _ in range(500):
        report = computer.tick(new_program=False)
        assert report is not None
        stop_requests += [change for change in report.changes if "asked to stop" in change]
        if report.over:
            break
        cancelling_world.clock.sleep(1800.0)
    assert uncancelled.complete and report.complete and outcomes(report) == outcomes(uncancelled)
    pruned = [one for one in uncancelled.statuses if one.state is State.PRUNED]
    assert len(stop_requests) == len(pruned) > 0 and {one.steps_done for one in pruned} == {300_000}
    used = [
        sum(kernel.ends_s - kernel.born_s for kernel in side.kernels.values())
        for side in (cancelling_world, uncancelled_world)
    ]
    assert used[0] < used[1]
    assert all(
        models.view().verified for models in computer.models.values()
    )  # the checkpoints of pruned trials are kept


def test_raising_the_number_of_trials_trains_only_the_new_proposals(undisturbed: TickReport) -> None:
    world = new_world()
    carried_through(new_computer(world))
    before = {kernel.ticket.lineage_id for kernel in world.kernels.values()}
    wider = new_computer(world, SEARCH.replace("trials: 8", "trials: 10"))
    wider.recover()
    report, _ = carried_through(wider)
    after = {kernel.ticket.lineage_id for kernel in world.kernels.values()}
    assert report.complete and before < after and len(after - before) == 2
    assert varied_settings(tuple(one.trial for one in report.statuses))[:8] == varied_settings(
        tuple(one.trial for one in undisturbed.statuses)
    )


def test_another_space_keeps_the_trainings_that_it_proposes_too() -> None:
    world = new_world()
    carried_through(new_computer(world))
    before = Counter(kernel.ticket.lineage_id for kernel in world.kernels.values())
    wider = new_computer(world, SEARCH.replace("[0.95, 0.97, 0.99]", "[0.95, 0.97, 0.99, 0.995]"))
    wider.recover()
    report, _ = carried_through(wider)
    after = Counter(kernel.ticket.lineage_id for kernel in world.kernels.values())
    assert report.complete and {lineage: after[lineage] for lineage in before} == dict(before)
    back = new_computer(world)
    back.recover()
    report, _ = carried_through(back)
    assert report.complete and Counter(kernel.ticket.lineage_id for kernel in world.kernels.values()) == after


def test_concurrency_does_not_change_the_search(undisturbed: TickReport) -> None:
    computer = new_computer(new_world(slots=5))
    for _ in range(9):
        computer.tick()
        computer.world.clock.sleep(3600.0)
    computer.context = replace(
        computer.context, campaign=expanded(SEARCH.replace("concurrency: 2", "concurrency: 5"))[0]
    )
    report, _ = carried_through(computer)
    assert report.complete and outcomes(report) == outcomes(undisturbed)


def test_an_orphaned_proposal_holds_a_slot_is_collected_and_its_hours_count() -> None:
    text = SEARCH.replace("campaign: small\n", "campaign: small\nweekly_gpu_hours: 18\n")
    computer = new_computer(new_world(slots=9), text)
    computer.tick()
    in_flight = {one.lineage_id for one in computer.ledger.open_sessions()}
    assert len(in_flight) == 2
    other = text.replace("startup_trials: 2\n      pruner", "startup_trials: 2\n      seed: 5\n      pruner")
    computer.context = replace(computer.context, campaign=expanded(other)[0])
    report = computer.tick()
    assert report is not None and {one.lineage_id for one in computer.ledger.open_sessions()} == in_flight
    named = {one.trial.lineage_id for one in report.statuses}
    assert not named & in_flight and report.waits == "all 2 slots are in use" and report.orphans_in_flight == 2
    searched = report.statuses[0].trial.variant.searched
    assert searched is not None and set(searched.orphans) == in_flight
    now = computer.world.clock.now()
    (search_progress,) = forecast_campaign(computer.context.campaign, report.statuses, now=now, allowed=None).searches
    assert (
        search_progress.to_json()["left"] == 2
        and "2 training(s) were started and are no longer proposed: another space" in search_progress.lines()[-2]
        and "the former search goes on" in search_progress.lines()[-1]
    )
    computer.world.clock.sleep(10 * 3600.0)
    report = computer.tick()  # the orphans have used the 18 h: no session of the new search fits into this week
    assert report is not None and computer.ledger.open_sessions() == [] and report.orphans_in_flight == 0
    assert all(computer.ledger.runs(lineage_id)[-1].steps_done > 0 for lineage_id in in_flight)
    assert "week's quota" in report.waits and computer.world.wrongs == []
    report, _ = carried_through(computer)
    # Each variant of a search has it.
    assert report.complete and set(report.statuses[0].trial.variant.searched.orphans) == in_flight  # type: ignore[union-attr]


def test_a_training_of_another_campaign_is_not_an_orphan_of_this_search() -> None:
    computer = new_computer(new_world(slots=9))
    computer.tick()
    other = SEARCH.replace("campaign: small", "campaign: other").replace("pruner:", "seed: 5\n      pruner:")
    computer.context = replace(computer.context, campaign=expanded(other)[0])
    report = computer.tick()
    assert (
        report is not None and report.orphans_in_flight == 0 and report.statuses[0].trial.variant.searched.orphans == ()
    )  # type: ignore[union-attr]  # not None here


def test_a_campaign_is_not_over_while_an_orphaned_proposal_is_in_flight() -> None:
    computer = new_computer(new_world(slots=9))
    computer.tick()
    stop = SEARCH.replace("startup_trials: 2\n      pruner", "startup_trials: 2\n      seed: 5\n      pruner")
    stop = stop.replace("trials:\n  look", "stop: {deadline: 2020-01-01T00:00:00Z}\ntrials:\n  look")
    computer.context = replace(computer.context, campaign=expanded(stop)[0])
    report = computer.tick()
    assert report is not None and report.stopped and not report.over
    computer.world.clock.sleep(10 * 3600.0)
    report = computer.tick()
    assert report is not None and report.over and computer.ledger.open_sessions() == []


def test_a_proposal_that_fails_for_good_counts_as_failed_and_the_search_continues() -> None:
    world = new_world()
    text = SEARCH.replace("{stuck: 9, crashed: 9}", "{stuck: 0}")
    computer = new_computer(world, text)
    doomed, kernel = computer.context.trials[0].lineage_id, world._kernel
    world._kernel = lambda ticket, wall_s, rate: (  # type: ignore[method-assign]  # replaced for this test
        world.fate.insert(0, "crash") if ticket.lineage_id == doomed else None,
        kernel(ticket, wall_s, rate),
    )[1]
    report, _ = carried_through(computer)
    first = report.statuses[0]
    assert (first.state, first.why) == (State.FAILED, "stuck") and len(report.statuses) == 9
    assert report.complete  # a failed proposal is a result of the search too
    fresh, pushed = new_computer(world, text), world.submits
    fresh.recover()
    again, _ = carried_through(fresh)
    assert outcomes(again) == outcomes(report) and world.submits == pushed


def test_a_failed_proposal_is_not_trained_again_under_other_code() -> None:
    world = new_world(fate=["crash"] * 8)
    text = SEARCH.replace("{stuck: 9, crashed: 9}", "{stuck: 0}")
    first, _ = carried_through(computer := new_computer(world, text))
    failed = [one.trial.lineage_id for one in first.statuses if one.state is State.FAILED]
    assert failed and first.complete
    computer.context, pushed = replace(computer.context, code_digest=lambda card: "c" * 64), world.submits
    report, _ = carried_through(computer)
    states = {one.trial.lineage_id: (one.state, one.why) for one in report.statuses}
    assert world.submits == pushed and {states[one] for one in failed} == {(State.FAILED, "stuck")}
    more = text.replace("{stuck: 0}", "{stuck: 3}")  # raising `retries` opens the failed trials again
    computer.context = replace(computer.context, campaign=expanded(more)[0])
    report = computer.tick()
    assert report is not None and world.submits > pushed


def test_a_search_without_any_completed_proposal_cuts_off_the_waiting_group() -> None:
    world = new_world(fate=["crash"] * 1000)
    report, _ = carried_through(new_computer(world, SEARCH.replace("{stuck: 9, crashed: 9}", "{stuck: 0}")))
    assert {one.state for one in report.statuses[:-1]} == {State.FAILED}
    assert report.statuses[-1].state is State.CUT_OFF and report.over and not report.complete


def test_results_of_older_code_still_guide_the_search(undisturbed: TickReport) -> None:
    world = new_world()
    carried_through(new_computer(world))
    campaign, trials = expanded(SEARCH)
    later = Computer(world, campaign, trials, code="c" * 64)
    later.recover()
    pushed = world.submits
    report, _ = carried_through(later)
    assert [one.trial.lineage_id for one in report.statuses] == [one.trial.lineage_id for one in undisturbed.statuses]
    assert {one.state for one in report.statuses} == {State.STALE, State.PRUNED} and world.submits == pushed


def test_the_seeds_of_a_proposal_share_their_mean_objective_and_are_pruned_together() -> None:
    world = new_world(slots=6)
    text = SEARCH.replace("    search:", "    seeds: 2\n    search:").replace("concurrency: 2", "concurrency: 6")

    def uneven(ticket: Ticket, steps: int) -> float:
        return score(ticket, steps) + 0.1 * ticket.spec["lineage"]["seed"]

    world.score = uneven
    report, _ = carried_through(new_computer(world, text))
    states: dict[int, set[State]] = {}
    for one in report.statuses:
        states.setdefault(one.trial.variant.index, set()).add(one.state)
    assert all(len(found) == 1 for found in states.values()) and {State.PRUNED} in states.values()
    searched = report.statuses[0].trial.variant.searched
    sessions = [one for one in report.statuses[:2]]
    assert searched is not None and searched.value is not None and len(sessions) == 2
    single_seed, _ = carried_through(new_computer(new_world(), SEARCH))
    single_seed_info = single_seed.statuses[0].trial.variant.searched
    # Each variant of a search has it.
    assert single_seed_info is not None and searched.value == pytest.approx(single_seed_info.value + 0.05)  # type: ignore[operator]
