"""The table says of which policy its numbers are, and how exactly that one was continued."""

from __future__ import annotations

from dataclasses import replace

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
    standing, sessions, manifest = next(
        finished_trials(desk.ledger, computer.results, desk.campaign, desk.trials, desk.code_digest)
    )
    assert len(sessions) == 3
    graded = [
        replace(one, resume_grade=grade) for one, grade in zip(sessions, (None, "statistical", "exact"), strict=True)
    ]
    summary = {"evaluated_model": {"steps": 5, "score": 1.0, "policy_digest": "e" * 64}}
    best = replace(manifest, outcome=replace(manifest.outcome, summary=summary))
    (row,) = rows_of("small", standing, graded, best)
    assert (row["policy_digest"], row["resume_grade"]) == ("e" * 64, "statistical")
    assert row["session"] == sessions[-1].slug
    (plain,) = rows_of("small", standing, graded, manifest)  # a section that evaluates what it trained last
    assert plain["policy_digest"] == manifest.outcome.training["policy_digest_after"]


def test_what_was_put_aside_by_a_new_beginning_is_no_part_of_it() -> None:
    computer = carried()
    first, second, last = computer.ledger.sessions(computer.desk.trials[0].lineage_id)
    anew = replace(last, steps_start=0)
    assert since_beginning([first, second, anew], anew) == (anew,)
    assert since_beginning([first, second, last, anew], last) == (first, second, last)
