"""The results table names the evaluated policy and the worst resume grade of its sessions."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.campaign.trial_status import State
from orchestrator.core.reporting.finished_trial import Finished, as_typed, campaign_report, trial_report
from orchestrator.core.reporting.results_table import rows_of
from orchestrator.kernel.reporting.trial_report import read_account, report_json
from orchestrator.pipeline.campaign.context import read_trial_statuses
from orchestrator.pipeline.campaign.finished_trials import finished_trials, since_beginning
from orchestrator.stores.section.card_yaml import read_settings
from tests.doubles.clock import FakeClock
from tests.simulation.campaigns import SMALL, expanded
from tests.simulation.computer import Computer, carried_through
from tests.simulation.world import World


def completed_computer(text: str = SMALL) -> Computer:
    computer = Computer(World(clock=FakeClock(), weekly_s=None), *expanded(text))
    carried_through(computer)
    return computer


def finished_trials_of(computer: Computer) -> tuple[Finished, ...]:
    context = computer.context
    statuses = read_trial_statuses(context.ledger, context.campaign, context.trials, context.code_digest)
    return tuple(finished_trials(context.ledger, computer.results, statuses, context.code_digest))


def test_a_row_has_the_evaluated_policy_and_the_worst_grade_of_all_sessions() -> None:
    computer = completed_computer()
    plain = finished_trials_of(computer)[0]
    assert len(plain.sessions) == 3
    graded = tuple(
        replace(one, resume_grade=grade)
        for one, grade in zip(plain.sessions, (None, "statistical", "exact"), strict=True)
    )
    summary = {"evaluated_model": {"steps": 5, "score": 1.0, "policy_digest": "e" * 64}}
    best = replace(plain.manifest, outcome=replace(plain.manifest.outcome, summary=summary))
    rows = list(rows_of("small", replace(plain, sessions=graded, manifest=best)))
    assert [(row["metric"], row["part"]) for row in rows] == [
        ("evaluated_model", "score"),
        ("evaluated_model", "steps"),
    ]
    for row in rows:
        assert (row["policy_digest"], row["resume_grade"]) == ("e" * 64, "statistical")
        assert row["session"] == graded[-1].slug
    (evaluated_last_row,) = rows_of("small", plain)  # a section that evaluates what it trained last
    assert evaluated_last_row["policy_digest"] == plain.manifest.outcome.training["policy_digest_after"]
    starts = [str(one.steps_start) for one in plain.sessions[1:]]
    assert evaluated_last_row["seams"] == ";".join(starts) and evaluated_last_row["wasted_steps"] == 0


def test_a_campaign_report_survives_json() -> None:
    computer = completed_computer()
    context = computer.context
    finished = finished_trials_of(computer)
    statuses = [one.standing for one in finished]
    waiting = replace(statuses[0], state=State.WAITING)
    section = finished[0].trial.variant.card.section
    campaign_account = campaign_report(context.campaign, section, finished, [*statuses[1:], waiting], "report it")
    assert len(campaign_account.trials) == len(finished) and campaign_account.unfinished == {
        waiting.trial.label: "waiting"
    }
    assert read_account(json.loads(json.dumps(report_json(campaign_account)))) == campaign_account
    assert campaign_report(context.campaign, "another", finished, statuses, "").trials == ()
    with pytest.raises(ValueError, match="format 7, this code reads 1"):
        read_account({**report_json(campaign_account), "format": 7})
    with pytest.raises(ValueError, match="not a trial report"):
        read_account({"format": 1, "trials": [{}]})


def test_sessions_before_a_restart_from_step_0_do_not_count() -> None:
    computer = completed_computer()
    first, second, last = computer.ledger.sessions(computer.context.trials[0].lineage_id)
    restarted = replace(last, steps_start=0)
    assert since_beginning([first, second, restarted], restarted) == (restarted,)
    assert since_beginning([first, second, last, restarted], last) == (first, second, last)


def test_a_repeated_run_of_a_section_that_saves_no_checkpoint_counts_alone() -> None:
    computer = completed_computer()
    *_, last = computer.ledger.sessions(computer.context.trials[0].lineage_id)
    first = replace(last, steps_start=0, steps_done=0, models_steps=0, key="r/s01a1")
    again = replace(first, key="r/s02a1")
    assert first.evaluated and since_beginning([first, again], again) == (again,)
    paused = replace(first, verdict=None)
    assert not paused.evaluated and since_beginning([paused, again], again) == (paused, again)


def test_a_crashed_session_without_a_save_counts_and_an_unsubmitted_one_does_not() -> None:
    computer = completed_computer()
    first, second, last = computer.ledger.sessions(computer.context.trials[0].lineage_id)
    dead = replace(first, steps_start=None, steps_done=None, wall_s=None, models_steps=0, key="r/s00a1")
    assert since_beginning([dead, first, second, last], last) == (dead, first, second, last)
    never = replace(dead, end_reason="never_submitted", key="r/s00a2")
    assert since_beginning([never, dead, first, second, last], last) == (dead, first, second, last)


@pytest.mark.parametrize("fate", [["half"], ["", "half"], ["crash"]])
def test_a_session_killed_without_a_report_is_in_the_curve_and_in_the_table(fate: list[str]) -> None:
    world = World(clock=FakeClock(), weekly_s=None, slots=1)
    world.fate = list(fate)
    computer = Computer(world, *expanded(SMALL.replace("concurrency: 2", "concurrency: 1")))
    carried_through(computer)
    killed = next(one for one in computer.ledger.sessions() if one.end_reason == "crashed")
    finished = next(one for one in finished_trials_of(computer) if one.trial.lineage_id == killed.lineage_id)
    assert killed.steps_start is None and killed in finished.sessions
    others = [one for one in finished.sessions if one is not finished.sessions[0] and one.steps_begun]
    assert finished.curve.seams == tuple(dict.fromkeys(one.steps_begun for one in others))
    assert trial_report(finished).untold == 1
    (row,) = rows_of("small", finished)
    assert row["sessions"] == len(finished.sessions) == len(trial_report(finished).sessions)


SETTINGS = st.one_of(
    st.booleans(),
    st.integers(-(10**12), 10**12),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufeff"), max_size=12),
)


@given(st.one_of(SETTINGS, st.lists(SETTINGS, max_size=3)))
def test_every_setting_survives_the_printed_command(value: Any) -> None:
    typed = shlex.split(shlex.join(["--set", f"key={as_typed(value)}"]))[1].removeprefix("key=")
    found = read_settings([f"key={typed}"])
    assert found == {"key": value} and repr(found["key"]) == repr(value)
