"""`checkpoints list|restore|archive`: nothing is deleted, and no later command undoes the user's choice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.test_cancel import CANCEL, slow_after_first_save
from tests.acceptance.test_interrupted_and_changed import MODELS, QUICK, stems
from tests.conftest import PROJECT_ROOT
from tests.doubles.commands import environment, orchestrate
from tests.doubles.toy_section import make_toy_project

LIST = ("checkpoints", "list", "section_7_6", "--json")
RESTORE = ("checkpoints", "restore", "section_7_6")
ARCHIVE = ("checkpoints", "archive", "section_7_6")
CAMPAIGN = "campaign: one\ntrials: {main: {section: section_7_6, profile: quick, seeds: 1}}\n"
KILL = """
import os, signal, sys
seen = 0
def hook(event, arguments):
    global seen
    if event == "os.rename":
        seen += 1
        if seen == int(os.environ["TEST_AT"]):
            os.kill(os.getpid(), signal.SIGKILL)
if "TEST_AT" in os.environ:
    sys.addaudithook(hook)
"""


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return make_toy_project(tmp_path / "project")


def contents(toy: Path) -> dict[str, int]:
    """Bytes of every model below the models directory and its archive -> how often they are there."""
    found: dict[str, int] = {}
    for path in (toy / MODELS).parent.rglob("*_steps.zip"):
        found[path.read_text("utf-8")] = found.get(path.read_text("utf-8"), 0) + 1
    return found


def test_list_names_a_checkpoint_once_however_many_sessions_brought_it_back(toy: Path) -> None:
    orchestrate(toy, *QUICK)
    orchestrate(toy, *QUICK, "--add-steps", "10")
    orchestrate(toy, *QUICK, "--add-steps", "10")
    places = [(row["place"], row["steps"]) for row in orchestrate(toy, *LIST).json["checkpoints"]]
    assert len(places) == len(set(places)) and ("results", 50) in places and ("results", 40) in places


def test_list_shows_place_steps_grade_size_and_session(toy: Path) -> None:
    orchestrate(toy, *QUICK)
    rows = orchestrate(toy, *LIST).json["checkpoints"]
    assert {row["place"] for row in rows} == {"in place", "results"}
    newest = rows[0]
    assert (newest["steps"], newest["place"], newest["usable"]) == (40, "in place", True)
    assert newest["lowest_grade"] == "exact" and newest["size_bytes"] > 0 and newest["saved_at"]
    assert newest["session"].endswith("/s01")
    (toy / MODELS / "checkpoints" / f"{newest['stem']}.zip").write_bytes(b"damaged")
    damaged = orchestrate(toy, *LIST).json["checkpoints"][0]
    assert (damaged["steps"], damaged["usable"]) == (40, False) and damaged["why_not"]


def test_list_without_checkpoints_creates_nothing(toy: Path) -> None:
    answer = orchestrate(toy, "checkpoints", "list", "section_7_6")
    assert answer.code == 0 and "a run starts from step 0" in answer.out
    assert not (toy / ".orchestrator").exists()


def test_restore_goes_back_and_the_next_run_continues_from_there(toy: Path) -> None:
    orchestrate(toy, *QUICK)
    before = contents(toy)
    answer = orchestrate(toy, *RESTORE, "30", "--json")
    assert answer.code == 0, answer.err
    assert answer.json["steps_in_place"] == 30 and Path(answer.json["archive"]).is_dir()
    assert stems(toy) == [30]
    assert set(contents(toy)) == set(before)
    forward = orchestrate(toy, *QUICK).json
    assert (forward["steps_start"], forward["steps_done"], forward["exit_code"]) == (30, 40, 0)


def test_a_tick_does_not_put_the_newer_checkpoint_back(toy: Path) -> None:
    (toy / "one.yaml").write_text(CAMPAIGN, encoding="utf-8")
    assert orchestrate(toy, "run", "section_7_6", "--quick", "--target-steps", "20").code == 0
    assert orchestrate(toy, *RESTORE, "10").code == 0
    assert orchestrate(toy, "campaign", "run", "one.yaml").code == 0
    rows = orchestrate(toy, "status", "--json").json["sessions"]
    assert [row["steps_start"] for row in rows] == [0, 10]


def test_archive_starts_over_and_the_steps_can_be_taken_back(toy: Path) -> None:
    (toy / "one.yaml").write_text(CAMPAIGN, encoding="utf-8")
    orchestrate(toy, "run", "section_7_6", "--quick", "--target-steps", "20")
    answer = orchestrate(toy, *ARCHIVE, "--json").json
    assert answer["steps_archived"] == 20 and stems(toy) == []
    assert orchestrate(toy, *RESTORE, "20", "--json").json["steps_in_place"] == 20
    assert orchestrate(toy, *ARCHIVE).code == 0
    assert orchestrate(toy, "campaign", "run", "one.yaml").code == 0
    rows = orchestrate(toy, "status", "--json").json["sessions"]
    assert [row["steps_start"] for row in rows] == [0, 0]


def test_restore_of_unknown_steps_names_the_usable_ones(toy: Path) -> None:
    orchestrate(toy, *QUICK)
    answer = orchestrate(toy, *RESTORE, "31")
    assert answer.code == 2
    assert "there is no checkpoint of 31 steps; usable ones: 30, 40" in answer.err
    assert stems(toy) == [30, 40]


def test_nothing_is_changed_while_a_session_is_in_flight(toy: Path) -> None:
    slow_after_first_save(toy)
    orchestrate(toy, *QUICK, "--detach")
    for words in ((*RESTORE, "10"), ARCHIVE):
        answer = orchestrate(toy, *words)
        assert answer.code == 2
        assert "is in flight" in answer.err and "cancel section_7_6" in answer.err
    assert orchestrate(toy, *CANCEL).code == 0


@pytest.mark.parametrize("at", [1, 2, 3, 5, 8])
def test_a_restore_killed_at_any_rename_is_finished_by_the_same_command(toy: Path, tmp_path: Path, at: int) -> None:
    orchestrate(toy, *QUICK)
    before = set(contents(toy))
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(KILL, encoding="utf-8")
    path = os.pathsep.join((str(tmp_path / "hook"), str(PROJECT_ROOT)))
    words = [sys.executable, "-m", "orchestrator", *RESTORE, "30"]
    done = subprocess.run(words, env=environment(toy, PYTHONPATH=path, TEST_AT=str(at)), check=False)
    assert done.returncode in (0, -signal.SIGKILL)
    assert orchestrate(toy, *RESTORE, "30").code == 0
    assert stems(toy) == [30]
    assert set(contents(toy)) == before
