"""A training whose section draws no conclusion is a success: finished, no claim, exit code 0."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.stores.ledger.sqlite import SqliteLedger
from tests.doubles.commands import orchestrate
from tests.doubles.toy_section import make_toy_project, set_behaviour

QUICK = ("run", "section_7_6", "--quick")
NO_CLAIM = json.dumps({"claim": False, "scores": True, "summary": {"reward": 7.5, "lengths": {"mean": 3}}})
CAMPAIGN = """
campaign: plain
title: Two seeds without a claim
trials:
  main:
    section: section_7_6
    profile: quick
    seeds: [0, 1]
  after:
    section: section_7_6
    profile: quick
    seeds: [2]
    after: [main]
"""


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return make_toy_project(tmp_path / "project", NO_CLAIM)


def test_a_run_without_a_claim_succeeds_and_is_not_repeated(toy: Path) -> None:
    first = orchestrate(toy, *QUICK, "--json")
    assert (first.code, first.json["exit_code"], first.json["verdict"], first.json["no_claim"]) == (0, 0, None, True)
    assert (first.json["end_reason"], first.json["steps_done"], first.json["sessions"]) == ("finished", 40, 1)
    again = orchestrate(toy, *QUICK)
    assert again.code == 0
    assert "Already at the target: 40 steps done, target 40" in again.out
    assert "Finished, no claim: this section trains and reports no verdict" in again.out
    third = orchestrate(toy, *QUICK, "--json").json
    assert (third["end_reason"], third["sessions"], third["verdict"], third["exit_code"]) == ("at_target", 0, None, 0)
    assert third["results_dir"] == first.json["results_dir"]
    assert "no claim" in orchestrate(toy, "status").out
    more = orchestrate(toy, *QUICK, "--add-steps", "10", "--json").json
    assert (more["steps_start"], more["steps_done"], more["exit_code"]) == (40, 50, 0)


def test_other_code_evaluates_again_and_only_once(toy: Path) -> None:
    orchestrate(toy, *QUICK)
    entry = toy / "validation_ch7" / "section_7_6_rl_performance" / "entry.py"
    entry.write_text(entry.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    changed = orchestrate(toy, *QUICK, "--json").json
    assert (changed["sessions"], changed["end_reason"], changed["exit_code"]) == (1, "finished", 0)
    assert orchestrate(toy, *QUICK, "--json").json["end_reason"] == "at_target"


def test_a_paused_session_without_a_claim_goes_on_to_the_target(toy: Path) -> None:
    set_behaviour(toy, '{"claim": false, "*": {"do": "pause"}}')
    chained = orchestrate(toy, *QUICK, "--json").json
    assert (chained["sessions"], chained["end_reason"], chained["exit_code"]) == (4, "finished", 0)


@pytest.mark.parametrize("behaviour", ['{"*": {"verdict": null}}', '{"claim": true}'])
def test_a_missing_verdict_of_a_section_with_criteria_fails_with_a_reason(toy: Path, behaviour: str) -> None:
    set_behaviour(toy, behaviour)
    answer = orchestrate(toy, *QUICK)
    assert answer.code == 1
    assert "Verdict: none" in answer.out
    assert "Problem: section_7_6 has criteria, reached its target and reported no verdict (exit code 1)" in answer.out
    assert "SectionOutcome(..., claim=False)" in answer.out
    assert orchestrate(toy, *QUICK, "--json").json["no_claim"] is False


def test_a_verdict_beside_claim_false_is_a_fault_of_the_section(toy: Path) -> None:
    set_behaviour(toy, '{"claim": false, "*": {"verdict": "supported"}}')
    answer = orchestrate(toy, *QUICK)
    assert answer.code == 1 and "claim=False and verdict 'supported' contradict each other" in answer.out


def test_damaged_outputs_fail_without_a_claim_too(toy: Path) -> None:
    set_behaviour(toy, '{"claim": false, "*": {"do": "vanish"}}')
    answer = orchestrate(toy, *QUICK, "--json")
    assert (answer.code, answer.json["no_claim"]) == (1, False)


def test_a_campaign_of_trainings_without_a_claim_completes(toy: Path) -> None:
    file = toy / "plain.yaml"
    file.write_text(CAMPAIGN, encoding="utf-8")
    ticked = orchestrate(toy, "campaign", "run", str(file), "--json")
    assert ticked.code == 0, ticked.out + ticked.err
    assert (ticked.json["states"], ticked.json["complete"]) == ({"done": 3}, True)
    assert {(one["verdict"], one["no_claim"]) for one in ticked.json["trials"]} == {(None, True)}
    again = orchestrate(toy, "campaign", "tick", str(file), "--json").json
    assert again["complete"] and len(_sessions(toy)) == 3
    assert orchestrate(toy, "campaign", "status", str(file)).out.count("done, 40 of 40 steps, no claim") == 3
    assert "| no claim |" in orchestrate(toy, "campaign", "status", str(file), "--markdown").out
    table = orchestrate(toy, "campaign", "results", str(file)).out.splitlines()
    assert len(table) == 1 + 3 * 2
    assert all(",no claim," in line for line in table[1:])
    assert {",".join(line.split(",")[9:12]) for line in table[1:]} == {"reward,,7.5", "lengths,mean,3"}


def _sessions(root: Path) -> list[str]:
    ledger = SqliteLedger(root / ".orchestrator" / "ledger.sqlite")
    try:
        return [record.slug for record in ledger.sessions()]
    finally:
        ledger.close()
