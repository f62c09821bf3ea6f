"""The table says of which policy its numbers are, and how exactly that one was continued."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from kernel_templates.trial_accounts import account_json, read_account
from orchestrator.core.accounts import campaign_account
from orchestrator.core.standings import State
from orchestrator.core.tables import rows_of
from orchestrator.pipeline.finished import finished_trials, since_beginning
from tests.doubles.clock import FakeClock
from tests.simulation.campaigns import SMALL, expanded
from tests.simulation.computer import Computer, carried_through
from tests.simulation.world import World


def carried(text: str = SMALL) -> Computer:
    computer = Computer(World(clock=FakeClock(), weekly_s=None), *expanded(text))
    carried_through(computer)
    return computer


def test_the_policy_is_the_evaluated_one_and_the_grade_the_worst_of_all_sessions() -> None:
    computer = carried()
    desk = computer.desk
    plain = next(iter(finished_trials(desk.ledger, computer.results, desk.campaign, desk.trials, desk.code_digest)))
    assert len(plain.sessions) == 3
    graded = tuple(
        replace(one, resume_grade=grade)
        for one, grade in zip(plain.sessions, (None, "statistical", "exact"), strict=True)
    )
    summary = {"evaluated_model": {"steps": 5, "score": 1.0, "policy_digest": "e" * 64}}
    best = replace(plain.manifest, outcome=replace(plain.manifest.outcome, summary=summary))
    (row,) = rows_of("small", replace(plain, sessions=graded, manifest=best))
    assert (row["policy_digest"], row["resume_grade"]) == ("e" * 64, "statistical")
    assert row["session"] == graded[-1].slug
    (told,) = rows_of("small", plain)  # a section that evaluates what it trained last
    assert told["policy_digest"] == plain.manifest.outcome.training["policy_digest_after"]
    starts = [str(one.steps_start) for one in plain.sessions[1:]]
    assert told["seams"] == ";".join(starts) and told["wasted_steps"] == 0


def test_an_account_comes_back_as_it_was_written() -> None:
    computer = carried()
    desk = computer.desk
    finished = tuple(finished_trials(desk.ledger, computer.results, desk.campaign, desk.trials, desk.code_digest))
    standings = [one.standing for one in finished]
    waiting = replace(standings[0], state=State.WAITING)
    section = finished[0].trial.variant.card.section
    account = campaign_account(desk.campaign, section, finished, [*standings[1:], waiting])
    assert len(account.trials) == len(finished) and account.unfinished == {waiting.trial.label: "waiting"}
    assert read_account(json.loads(json.dumps(account_json(account)))) == account
    assert campaign_account(desk.campaign, "another", finished, standings).trials == ()
    with pytest.raises(ValueError, match="format 1 is needed, not 7"):
        read_account({**account_json(account), "format": 7})
    with pytest.raises(ValueError, match="not an account"):
        read_account({"format": 1, "trials": [{}]})


def test_what_was_put_aside_by_a_new_beginning_is_no_part_of_it() -> None:
    computer = carried()
    first, second, last = computer.ledger.sessions(computer.desk.trials[0].lineage_id)
    anew = replace(last, steps_start=0)
    assert since_beginning([first, second, anew], anew) == (anew,)
    assert since_beginning([first, second, last, anew], last) == (first, second, last)
