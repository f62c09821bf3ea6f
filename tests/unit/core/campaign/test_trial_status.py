"""Status of trials: when a group counts as complete, and when changed criteria make a result stale."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.core.campaign.trial_status import State, trial_status, with_dependencies
from orchestrator.core.ledger.events import Event, EventKind
from orchestrator.kernel.outcome import Verdict
from orchestrator.pipeline.campaign.context import read_trial_statuses
from orchestrator.pipeline.campaign.finished_trials import finished_trials
from tests.doubles.clock import FakeClock
from tests.simulation.campaigns import SMALL, expanded
from tests.simulation.computer import Computer, carried_through
from tests.simulation.world import World


def test_a_spare_of_one_variant_does_not_replace_a_seed_of_another_variant() -> None:
    _, trials = expanded(SMALL.replace("seeds: 2", "seeds: {completed: 2, spares: 1}"))
    ends = {"main PPO seed 1": (State.FAILED, "section_failed"), "later seed 0": (State.WAITING, "")}
    own = [trial_status(trial, (), live=False, code_digest="", retries={}) for trial in trials]
    found = with_dependencies(
        [
            replace(one, state=state, why=why)
            for one in own
            for state, why in [ends.get(one.trial.label, (State.DONE, ""))]
            if one.trial.label != "main PPO seed 2"
        ]
    )
    assert {one.trial.label: one.state for one in found}["later seed 0"] is State.CUT_OFF


QUICK = """
campaign: both
trials:
  main:
    section: section_7_6
    profile: quick
    settings: {profiles.quick.deadline_s: 32400.0, profiles.full.target_steps: 700000}
"""
FULL = QUICK.replace("profile: quick", "profile: full")


def statuses_and_evaluations(computer: Computer, text: str) -> list[tuple[State, int, str, int]]:
    """Per trial: state, steps, and profile and steps of the session in the results table ("" and 0 without one)."""
    campaign, trials = expanded(text)
    statuses = read_trial_statuses(computer.ledger, campaign, trials, computer.context.code_digest)
    rows = finished_trials(computer.ledger, computer.results, statuses, computer.context.code_digest)
    evaluated = {one.trial.lineage_id: one.evaluating for one in rows}
    found_rows = []
    for one in statuses:
        record = evaluated.get(one.trial.lineage_id)
        profile = str(record.ticket["spec"]["profile"]) if record else ""
        found_rows.append((one.state, one.steps_done, profile, record.steps_done or 0 if record else 0))
    return found_rows


def run_to_the_end(computer: Computer, text: str) -> None:
    campaign, trials = expanded(text)
    computer.context = replace(computer.context, campaign=campaign, trials=trials)
    carried_through(computer)


@pytest.mark.parametrize(
    "edit",
    [
        "criteria.baseline: webster",
        "criteria.min_delay_reduction_pct: 1.0",
        "profiles.quick.evaluation_scenarios: 3",
    ],
)
def test_a_verdict_under_other_criteria_is_stale_also_on_a_new_computer(edit: str) -> None:
    world = World(clock=FakeClock(), weekly_s=None)
    carried_through(computer := Computer(world, *expanded(QUICK)))
    edited = QUICK.replace("settings: {", f"settings: {{{edit}, ")
    assert statuses_and_evaluations(computer, QUICK)[0][0] is State.DONE
    assert statuses_and_evaluations(computer, edited)[0][::2] == (State.STALE, "")
    before = world.submits
    empty = Computer(world, *expanded(edited))
    empty.recover()
    report, _ = carried_through(empty)
    assert [one.state for one in report.statuses] == [State.STALE] and world.submits == before


@pytest.mark.parametrize("edit", ["criteria.min_delay_reduction_pct: 1.0", "code"])
def test_an_invalid_verdict_is_evaluated_again_only_with_other_code_or_criteria(edit: str) -> None:
    world = World(clock=FakeClock(), weekly_s=None, verdicts=[Verdict.INVALID])
    carried_through(computer := Computer(world, *expanded(QUICK)))
    before, steps = world.submits, computer.context.trials[0].target_steps
    for _ in range(2):
        report, _ = carried_through(computer)
        assert [(one.state, one.why) for one in report.statuses] == [(State.FAILED, "invalid")]
    assert world.submits == before
    text = QUICK if edit == "code" else QUICK.replace("settings: {", f"settings: {{{edit}, ")
    fixed = Computer(world, *expanded(text), code="c" * 64 if edit == "code" else "b" * 64)
    fixed.recover()
    report, _ = carried_through(fixed)
    assert report.complete and world.submits == before + 1  # one session that only evaluates
    last = list(world.kernels.values())[-1].ticket
    assert max(int(one.path.rsplit("_", 2)[1]) for one in last.inputs if one.path.endswith(".zip")) == steps


def test_quick_and_full_of_one_lineage_keep_separate_results_in_one_ledger() -> None:
    world = World(clock=FakeClock(), weekly_s=None)
    carried_through(computer := Computer(world, *expanded(QUICK)))
    quick_steps = expanded(QUICK)[1][0].target_steps
    assert statuses_and_evaluations(computer, QUICK) == [(State.DONE, quick_steps, "quick", quick_steps)]
    assert statuses_and_evaluations(computer, FULL) == [(State.WAITING, quick_steps, "", 0)]
    run_to_the_end(computer, FULL)
    assert statuses_and_evaluations(computer, FULL) == [(State.DONE, 700_000, "full", 700_000)]
    assert statuses_and_evaluations(computer, QUICK) == [(State.DONE, quick_steps, "quick", quick_steps)]
    before = world.submits
    run_to_the_end(computer, QUICK)
    assert world.submits == before


@pytest.mark.parametrize("hours", [1.0, -1000.0])  # the negative case: the clock was set back
def test_a_run_that_reuses_an_evaluation_is_listed_with_the_session_that_made_it(hours: float) -> None:
    computer = Computer(World(clock=FakeClock(), weekly_s=None), *expanded(QUICK))
    carried_through(computer)
    trial = computer.context.trials[0]
    steps, now = trial.target_steps, (computer.context.clock.now() + timedelta(hours=hours)).isoformat()
    began = {
        "section": "section_7_6",
        "lineage_id": trial.lineage_id,
        "profile": "quick",
        "backend": "local",
        "target_steps": steps,
        "steps_start": steps,
        "steps_done": steps,
        "code_digest": computer.context.code_digest(trial.card),
        "question": trial.question,
    }
    ended = {"end_reason": "at_target", "verdict": "supported", "steps_done": steps}
    for kind, body in ((EventKind.RUN_STARTED, began), (EventKind.RUN_ENDED, ended)):
        computer.ledger.record(Event(kind=kind, at=now, run_id="again", session=None, body=body))
    assert statuses_and_evaluations(computer, QUICK) == [(State.DONE, steps, "quick", steps)]
