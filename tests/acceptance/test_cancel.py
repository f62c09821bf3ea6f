"""`cancel` stops the session in flight: alone, beside a watching `run`, and where nothing can be stopped."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.backends.local.backend import LocalBackend
from orchestrator.cli.main import main
from tests.acceptance.test_interrupted_and_changed import ENTRY, QUICK, killed_in_flight, stems
from tests.doubles.commands import environment, orchestrate
from tests.doubles.toy_section import make_toy_project

CANCEL = ("cancel", "section_7_6")


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return make_toy_project(tmp_path / "project")


def slow_after_first_save(toy: Path) -> None:
    """Make a session wait after its first save until it is asked to stop."""
    mark = "        if context.must_leave or"
    wait = (
        "        if steps < target and not (Path({!r})).exists():\n"
        "            import time\n"
        "            while not context.must_leave:\n"
        "                time.sleep(0.02)\n"
    ).format(str(toy / "gate"))
    plain = (toy / ENTRY).read_text(encoding="utf-8")
    assert mark in plain
    (toy / ENTRY).write_text(plain.replace(mark, wait + mark), encoding="utf-8")


def start_and_wait_for_progress(toy: Path, *words: str) -> subprocess.Popen[str]:
    command = subprocess.Popen(
        [sys.executable, "-m", "orchestrator", *words],
        env=environment(toy),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert command.stdout is not None
    for line in command.stdout:
        if "steps" in line and "%" in line:
            break
    return command


def test_cancel_from_a_second_shell_ends_the_watching_run_as_stopped(toy: Path) -> None:
    slow_after_first_save(toy)
    first = start_and_wait_for_progress(toy, "run", "section_7_6", "--quick")
    second = orchestrate(toy, *CANCEL, "--json")
    out, _ = first.communicate()
    assert first.returncode == 1
    assert "Run ended: stopped at 10 steps" in out
    assert second.code == 0, second.err
    assert second.json["steps_saved"] == 10
    (session,) = second.json["sessions"]
    assert (session["end_reason"], session["collected_by_other_command"]) == ("stopped", True)
    assert stems(toy) == [10]
    (toy / "gate").touch()
    again = orchestrate(toy, *QUICK).json
    assert (again["steps_start"], again["steps_done"], again["end_reason"]) == (10, 40, "finished")


def test_cancel_collects_a_session_whose_command_is_gone(toy: Path) -> None:
    slow_after_first_save(toy)
    assert orchestrate(toy, *QUICK, "--detach").code == 0
    answer = orchestrate(toy, *CANCEL)
    assert answer.code == 0, answer.err
    assert "stopped; 10 steps are saved and in place" in answer.out
    assert stems(toy) == [10]
    run = orchestrate(toy, "status", "--json").json["runs"][-1]
    assert (run["end_reason"], run["steps_done"]) == ("stopped", 10)
    (toy / "gate").touch()
    again = orchestrate(toy, *QUICK).json
    assert (again["sessions"], again["steps_start"], again["end_reason"]) == (1, 10, "finished")


def test_cancel_of_a_session_that_has_finished_names_no_continuation(toy: Path) -> None:
    assert orchestrate(toy, *QUICK, "--detach").code == 0
    give_up_s = time.monotonic() + 60
    while not list(toy.glob(".orchestrator/local/*/exit.json")):
        assert time.monotonic() < give_up_s
        time.sleep(0.02)
    answer = orchestrate(toy, *CANCEL)
    assert answer.code == 0, answer.err
    assert "finished; 40 steps are saved" in answer.out and "nothing is left to train" in answer.out
    assert "Continue later" not in answer.out
    assert "40 of 40  between sessions or interrupted" in orchestrate(toy, "status").out


def test_cancel_chooses_the_training_by_its_options(toy: Path) -> None:
    slow_after_first_save(toy)
    assert orchestrate(toy, *QUICK, "--seed", "3", "--detach").code == 0
    other = orchestrate(toy, *CANCEL)
    assert other.code == 2
    assert "no session of section_7_6 is in flight on local with these options" in other.err
    assert "(local, DQN, seed 3). Give the options of that training" in other.err
    assert orchestrate(toy, *CANCEL, "--seed", "3", "--json").json["steps_saved"] == 10


def test_cancel_without_a_session_exits_2_in_two_lines(toy: Path) -> None:
    answer = orchestrate(toy, *CANCEL)
    assert answer.code == 2
    assert answer.err.splitlines()[0] == "Error: no session of section_7_6 is in flight on local"


def test_cancel_takes_over_when_the_watching_command_is_killed(toy: Path) -> None:
    with killed_in_flight(toy, "run", "section_7_6", "--quick"):
        pass
    answer = orchestrate(toy, *CANCEL, "--json")
    assert answer.code == 0, answer.err
    assert answer.json["sessions"][0]["collected_by_other_command"] is False


def test_a_backend_that_cannot_cancel_is_refused_and_the_session_stays_open(
    toy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    slow_after_first_save(toy)
    assert orchestrate(toy, *QUICK, "--detach").code == 0
    real = LocalBackend.capabilities.fget
    assert real is not None
    with monkeypatch.context() as patched:
        patched.setenv("ORCHESTRATOR_ROOT", str(toy))
        patched.setattr(LocalBackend, "capabilities", property(lambda self: replace(real(self), can_cancel=False)))
        assert main([*CANCEL]) == 2
    err = capsys.readouterr().err
    assert "local offers no way to stop a session from here" in err
    assert "Stop it on the service's own page" in err
    assert "`python -m orchestrator fetch section_7_6`" in err
    assert orchestrate(toy, "status", "--json").json["sessions"][-1]["stage"] == "submitted"
    assert orchestrate(toy, *CANCEL).code == 0
