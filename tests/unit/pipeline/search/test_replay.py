"""A whole search by the real tick on a virtual clock: the same proposals and prunings whatever happens in between."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.core.campaign.expansion import Trial
from orchestrator.core.campaign.trial_status import State
from orchestrator.core.reporting.forecast_report import forecast_campaign
from orchestrator.kernel.wire import Ticket
from orchestrator.pipeline.campaign.finished_trials import finished_trials
from orchestrator.pipeline.campaign.statuses import read_trial_statuses
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
"""Three batches of trainings of two sessions each, then a short one."""


def score(ticket: Ticket, steps: int) -> float:
    """Best at a rate of 2e-3; the worse the rate, the lower all of the curve."""
    learning = ticket.spec["lineage"]["hyper_parameters"]
    return -abs(math.log10(learning["learning_rate"]["start"] / 2e-3)) - 10.0 * (1.0 - learning["gamma"]) - 1e4 / steps


def world(**traits: Any) -> World:
    return World(clock=FakeClock(), weekly_s=None, score=score, **traits)


def computer(far: World, text: str = SEARCH) -> Computer:
    return Computer(far, *expanded(text))


def told(ticked: TickReport) -> list[tuple[str, State, str, float | None]]:
    return [
        (one.trial.name8, one.state, one.why, one.trial.variant.searched and one.trial.variant.searched.value)
        for one in ticked.statuses
    ]


def cells(trials: tuple[Trial, ...]) -> list[dict[str, object]]:
    return [dict(trial.variant.varied) for trial in trials if trial.variant.searched]


@pytest.fixture(scope="module")
def calm() -> TickReport:
    ticked, _ = carried_through(computer(world()))
    return ticked


def test_a_search_goes_through_batch_by_batch_and_what_waits_for_it_follows(calm: TickReport) -> None:
    searched = [one for one in calm.statuses if one.trial.variant.searched]
    assert calm.complete and len(searched) == 8 and calm.statuses[-1].state is State.DONE
    assert [one.trial.variant.searched.batch for one in searched] == [0, 0, 0, 1, 1, 1, 2, 2]  # type: ignore[union-attr]
    states = [one.state for one in searched]
    assert states[:3] == [State.DONE] * 3 and State.PRUNED in states[3:] and State.DONE in states[3:]
    for one in searched:
        assert (one.state is State.PRUNED) == (one.trial.variant.searched.value is None)  # type: ignore[union-attr]


def test_what_is_pruned_starts_no_further_session_and_stands_in_no_table(calm: TickReport) -> None:
    far = world()
    carried_through(here := computer(far))
    stands = read_trial_statuses(
        here.ledger, here.context.campaign, here.ticker._context.trials, here.context.code_digest
    )
    pruned = {one.trial.lineage_id: one.sessions for one in stands if one.state is State.PRUNED}
    assert pruned and set(pruned.values()) == {1}
    stands = read_trial_statuses(here.ledger, here.context.campaign, here.ticker._context.trials, "b" * 64)
    rows = finished_trials(here.ledger, here.results, stands, "b" * 64)
    finished = {one.trial.lineage_id for one in rows}
    assert not finished & pruned.keys() and len(finished) == len(stands) - len(pruned)


def test_killed_anywhere_and_on_other_computers_it_proposes_and_prunes_the_same(calm: TickReport) -> None:
    draw, far = random.Random(3), world()
    two = [computer(far), computer(far)]  # each with a ledger of its own, in turns
    for _ in range(400):
        which = draw.randrange(2)
        far.clock.sleep(far.hidden_s + draw.choice([1.0, 3600.0, 4 * 3600.0]))
        if draw.random() < 0.05:  # an ephemeral runner
            two[which] = computer(far)
            two[which].recover()
        far.fuse = draw.choice([None, draw.randint(1, 40)])
        far.fate += ["half"] if draw.random() < 0.05 else []
        ticked = two[which].tick(recovering=draw.random() < 0.3)
        far.fuse = None
        if ticked is not None and ticked.over:
            break
    far.fate.clear()
    for here in two:
        ticked, _ = carried_through(here)
        assert ticked.complete and told(ticked) == told(calm)
        assert here.ledger.rebuild()
    assert far.wrongs == []


def test_an_empty_copy_finds_all_batches_again_in_one_tick_and_pushes_nothing(calm: TickReport) -> None:
    far = world()
    carried_through(computer(far))
    pushed = far.submits
    far.clock.sleep(86_400.0)
    fresh = computer(far)
    fresh.recover()
    ticked = fresh.tick(recovering=True)
    assert ticked is not None and ticked.over and told(ticked) == told(calm)
    assert far.submits == pushed


def test_a_session_that_can_be_stopped_is_and_nothing_else_changes() -> None:
    """Of one session each: nobody looks before the end, or somebody does all the time."""
    text = SEARCH.replace("target_steps: 600000", "target_steps: 300000")
    whole, watched = world(), world(can_cancel=True)
    unseen, _ = carried_through(computer(whole, text))
    here = computer(watched, text)
    asked: list[str] = []
    for _ in range(500):
        ticked = here.tick(new_program=False)
        assert ticked is not None
        asked += [change for change in ticked.changes if "asked to stop" in change]
        if ticked.over:
            break
        watched.clock.sleep(1800.0)
    assert unseen.complete and ticked.complete and told(ticked) == told(unseen)
    pruned = [one for one in unseen.statuses if one.state is State.PRUNED]
    assert len(asked) == len(pruned) > 0 and {one.steps_done for one in pruned} == {300_000}
    used = [sum(kernel.ends_s - kernel.born_s for kernel in side.kernels.values()) for side in (watched, whole)]
    assert used[0] < used[1]
    assert all(models.view().verified for models in here.models.values())  # the checkpoint of what was given up stays


def test_more_trials_add_only_the_difference_and_a_finished_search_is_never_run_again(calm: TickReport) -> None:
    far = world()
    carried_through(computer(far))
    before = {kernel.ticket.lineage_id for kernel in far.kernels.values()}
    wider = computer(far, SEARCH.replace("trials: 8", "trials: 10"))
    wider.recover()
    ticked, _ = carried_through(wider)
    after = {kernel.ticket.lineage_id for kernel in far.kernels.values()}
    assert ticked.complete and before < after and len(after - before) == 2
    assert cells(tuple(one.trial for one in ticked.statuses))[:8] == cells(tuple(one.trial for one in calm.statuses))


def test_another_concurrency_is_the_same_search(calm: TickReport) -> None:
    here = computer(world(slots=5))
    for _ in range(9):
        here.tick()
        here.world.clock.sleep(3600.0)
    here.context = replace(here.context, campaign=expanded(SEARCH.replace("concurrency: 2", "concurrency: 5"))[0])
    ticked, _ = carried_through(here)
    assert ticked.complete and told(ticked) == told(calm)


def test_what_has_left_its_search_is_brought_home_holds_a_slot_and_counts_as_hours() -> None:
    text = SEARCH.replace("campaign: small\n", "campaign: small\nweekly_gpu_hours: 18\n")
    here = computer(world(slots=9), text)
    here.tick()
    flying = {one.lineage_id for one in here.ledger.open_sessions()}
    assert len(flying) == 2
    other = text.replace("startup_trials: 2\n      pruner", "startup_trials: 2\n      seed: 5\n      pruner")
    here.context = replace(here.context, campaign=expanded(other)[0])
    ticked = here.tick()
    assert ticked is not None and {one.lineage_id for one in here.ledger.open_sessions()} == flying
    named = {one.trial.lineage_id for one in ticked.statuses}
    assert not named & flying and ticked.waits == "all 2 slots are in use" and ticked.orphans_in_flight == 2
    searched = ticked.statuses[0].trial.variant.searched
    assert searched is not None and set(searched.orphans) == flying
    now = here.world.clock.now()
    (told_of,) = forecast_campaign(
        here.context.campaign, ticked.statuses, now=now, longest_s=None, allowed=None
    ).searches
    assert (
        told_of.to_json()["left"] == 2
        and "2 training(s) were started and are no longer proposed" in told_of.lines()[-1]
    )
    here.world.clock.sleep(10 * 3600.0)
    ticked = here.tick()  # their 18 hours are spent: nothing of the new search fits into this week
    assert ticked is not None and here.ledger.open_sessions() == [] and ticked.orphans_in_flight == 0
    assert all(here.ledger.runs(lineage_id)[-1].steps_done > 0 for lineage_id in flying)
    assert "week's quota" in ticked.waits and here.world.wrongs == []
    ticked, _ = carried_through(here)
    assert ticked.complete and set(ticked.statuses[0].trial.variant.searched.orphans) == flying  # type: ignore[union-attr]


def test_the_same_training_by_another_campaign_or_by_hand_has_not_left_this_one() -> None:
    here = computer(world(slots=9))
    here.tick()
    other = SEARCH.replace("campaign: small", "campaign: other").replace("pruner:", "seed: 5\n      pruner:")
    here.context = replace(here.context, campaign=expanded(other)[0])
    ticked = here.tick()
    assert (
        ticked is not None and ticked.orphans_in_flight == 0 and ticked.statuses[0].trial.variant.searched.orphans == ()
    )  # type: ignore[union-attr]


def test_a_campaign_is_not_over_while_what_has_left_it_still_flies() -> None:
    here = computer(world(slots=9))
    here.tick()
    stop = SEARCH.replace("startup_trials: 2\n      pruner", "startup_trials: 2\n      seed: 5\n      pruner")
    stop = stop.replace("trials:\n  look", "stop: {deadline: 2020-01-01T00:00:00Z}\ntrials:\n  look")
    here.context = replace(here.context, campaign=expanded(stop)[0])
    ticked = here.tick()
    assert ticked is not None and ticked.stopped and not ticked.over
    here.world.clock.sleep(10 * 3600.0)
    ticked = here.tick()
    assert ticked is not None and ticked.over and here.ledger.open_sessions() == []


def test_a_proposal_that_fails_for_good_is_told_as_failed_and_the_search_goes_on() -> None:
    far = world()
    text = SEARCH.replace("{stuck: 9, crashed: 9}", "{stuck: 0}")
    here = computer(far, text)
    doomed, kernel = here.context.trials[0].lineage_id, far._kernel
    far._kernel = lambda ticket, wall_s: (  # type: ignore[method-assign]
        far.fate.insert(0, "crash") if ticket.lineage_id == doomed else None,
        kernel(ticket, wall_s),
    )[1]
    ticked, _ = carried_through(here)
    first = ticked.statuses[0]
    assert (first.state, first.why) == (State.FAILED, "stuck") and len(ticked.statuses) == 9
    assert ticked.complete  # one that fails is an answer too
    fresh, pushed = computer(far, text), far.submits
    fresh.recover()
    again, _ = carried_through(fresh)
    assert told(again) == told(ticked) and far.submits == pushed


def test_what_failed_for_its_search_is_not_trained_again_under_other_code() -> None:
    far = world(fate=["crash"] * 8)
    text = SEARCH.replace("{stuck: 9, crashed: 9}", "{stuck: 0}")
    first, _ = carried_through(here := computer(far, text))
    failed = [one.trial.lineage_id for one in first.statuses if one.state is State.FAILED]
    assert failed and first.complete
    here.context, pushed = replace(here.context, code_digest="c" * 64), far.submits
    ticked, _ = carried_through(here)
    states = {one.trial.lineage_id: (one.state, one.why) for one in ticked.statuses}
    assert far.submits == pushed and {states[one] for one in failed} == {(State.FAILED, "stuck")}
    more = text.replace("{stuck: 0}", "{stuck: 3}")  # whoever wants them raises retries: they are open again
    here.context = replace(here.context, campaign=expanded(more)[0])
    ticked = here.tick()
    assert ticked is not None and far.submits > pushed


def test_a_search_of_which_nothing_completes_cuts_off_what_waits_for_it() -> None:
    far = world(fate=["crash"] * 1000)
    ticked, _ = carried_through(computer(far, SEARCH.replace("{stuck: 9, crashed: 9}", "{stuck: 0}")))
    assert {one.state for one in ticked.statuses[:-1]} == {State.FAILED}
    assert ticked.statuses[-1].state is State.CUT_OFF and ticked.over and not ticked.complete


def test_results_of_older_code_still_lead_the_search_and_no_proposal_is_lost(calm: TickReport) -> None:
    far = world()
    carried_through(computer(far))
    campaign, trials = expanded(SEARCH)
    later = Computer(far, campaign, trials, code="c" * 64)
    later.recover()
    pushed = far.submits
    ticked, _ = carried_through(later)
    assert [one.trial.lineage_id for one in ticked.statuses] == [one.trial.lineage_id for one in calm.statuses]
    assert {one.state for one in ticked.statuses} == {State.STALE, State.PRUNED} and far.submits == pushed


def test_with_several_seeds_the_objective_is_their_mean_and_they_are_pruned_together() -> None:
    far = world(slots=6)
    text = SEARCH.replace("    search:", "    seeds: 2\n    search:").replace("concurrency: 2", "concurrency: 6")

    def uneven(ticket: Ticket, steps: int) -> float:
        return score(ticket, steps) + 0.1 * ticket.spec["lineage"]["seed"]

    far.score = uneven
    ticked, _ = carried_through(computer(far, text))
    states: dict[int, set[State]] = {}
    for one in ticked.statuses:
        states.setdefault(one.trial.variant.index, set()).add(one.state)
    assert all(len(found) == 1 for found in states.values()) and {State.PRUNED} in states.values()
    searched = ticked.statuses[0].trial.variant.searched
    sessions = [one for one in ticked.statuses[:2]]
    assert searched is not None and searched.value is not None and len(sessions) == 2
    lonely, _ = carried_through(computer(world(), SEARCH))
    alone = lonely.statuses[0].trial.variant.searched
    assert alone is not None and searched.value == pytest.approx(alone.value + 0.05)  # type: ignore[operator]
