"""`status` and `campaign status` show how far a session in flight is, from a second shell."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.test_cancel import CANCEL, slow_after_first_save, start_and_wait_for_progress
from tests.doubles.commands import orchestrate
from tests.doubles.toy_section import make_toy_project

CAMPAIGN = """
campaign: pair
concurrency: 2
trials:
  main:
    section: section_7_6
    profile: quick
    seeds: 2
"""


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return make_toy_project(tmp_path / "project")


def test_status_shows_the_steps_of_a_watched_session_without_the_lock(toy: Path) -> None:
    slow_after_first_save(toy)
    first = start_and_wait_for_progress(toy, "run", "section_7_6", "--quick")
    answer = orchestrate(toy, "status", "section_7_6", "--json")
    text = orchestrate(toy, "status").out
    assert orchestrate(toy, *CANCEL).code == 0
    first.communicate()
    assert answer.code == 0, answer.err
    (live,) = answer.json["in_flight"]
    assert (live["steps"], live["target_steps"], live["state"], live["backend"]) == (10, 40, "running", "local")
    assert live["reported_at"]
    assert "10 of 40 steps" in text and "In flight:" in text
    assert "0 -> 10 of 40  in flight" in text and " submitted  10 of 40 steps" in text
    assert live["deadline_in_s"] > 0 and live["deadline_at"] > live["reported_at"]
    assert orchestrate(toy, "status", "--json").json["in_flight"] == []


def test_campaign_status_shows_each_trial_in_flight(toy: Path) -> None:
    slow_after_first_save(toy)
    (toy / "pair.yaml").write_text(CAMPAIGN, encoding="utf-8")
    assert orchestrate(toy, "campaign", "tick", "pair.yaml").code == 0
    while True:
        rows = orchestrate(toy, "campaign", "status", "pair.yaml", "--json").json["all_trials"]
        live = [row["live"]["steps"] for row in rows if row["live"]]
        if live.count(10) == 2:
            break
    text = orchestrate(toy, "campaign", "status", "pair.yaml").out
    assert text.count("10 of 40 steps") == 2
    summary = orchestrate(toy, "campaign", "status", "pair.yaml", "--markdown").out
    assert summary.count("| 10 / 40 |") == 2 and summary.count("] 10 of 40 steps | deadline in ") == 2
    assert {(row["steps_done"], row["steps_now"]) for row in rows} == {(0, 10)}
    assert orchestrate(toy, *CANCEL).code == 0
    assert orchestrate(toy, *CANCEL, "--seed", "1").code == 0


def test_status_of_an_unknown_section_is_refused(toy: Path) -> None:
    answer = orchestrate(toy, "status", "section_9_9")
    assert answer.code == 2
    assert "there is no section 'section_9_9'" in answer.err
