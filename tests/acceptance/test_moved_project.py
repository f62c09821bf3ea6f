"""The user moves the project while a session runs: the session is found, and no folder is left at the old place."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

from orchestrator.backends.local.backend import LocalBackend
from orchestrator.cli.main import main
from tests.doubles.commands import orchestrate
from tests.doubles.toy_section import ENTRY, make_toy_project

SECTION = Path("validation_ch7/section_7_6_rl_performance")
QUICK = ("run", "section_7_6", "--quick")
GATE = "        if steps >= 10:\n            while not Path({gate!r}).exists():\n                time.sleep(0.01)\n"
STEP = "        steps = min(target, steps"


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A project whose session waits after its first checkpoint until the file `gate` exists."""
    root = make_toy_project(tmp_path / "project")
    entry = ENTRY.replace("import sys\n", "import sys\nimport time\n", 1)
    entry = entry.replace(STEP, GATE.format(gate=str(tmp_path / "gate")) + STEP)
    (root / SECTION / "entry.py").write_text(entry, encoding="utf-8")
    return root


def wait_for_checkpoint(root: Path) -> None:
    deadline_s = time.monotonic() + 60.0
    logs = root.glob(".orchestrator/local/*/kernel.log")
    while not any('"steps":10' in log.read_text(encoding="utf-8") for log in logs):
        logs = root.glob(".orchestrator/local/*/kernel.log")
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


@pytest.mark.parametrize("cancels", [False, pytest.param(True, marks=pytest.mark.prove)])
def test_the_session_goes_on_and_is_collected_at_the_new_place(toy: Path, tmp_path: Path, cancels: bool) -> None:
    assert orchestrate(toy, *QUICK, "--detach").code == 0
    wait_for_checkpoint(toy)
    moved = toy.rename(tmp_path / "moved élan")
    assert re.search(r"10 of 40 steps \|.* running", orchestrate(moved, "status").out)
    if cancels:
        (next(moved.glob(".orchestrator/local/*")) / "cancel").touch()
        time.sleep(0.3)  # the supervisor looks every 0.1 s
    (tmp_path / "gate").touch()
    answer = orchestrate(moved, *QUICK, "--json")
    end = "stopped" if cancels else "finished"
    assert (answer.json["end_reason"], answer.json["sessions"]) == (end, 1), answer.out + answer.err
    assert answer.json["steps_done"] == (20 if cancels else 40)
    assert not toy.exists()


@pytest.mark.prove
def test_a_command_that_watches_ends_with_one_line(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    observe, moved = LocalBackend.observe, tmp_path / "moved"

    def move_first(backend: LocalBackend, handle: Any) -> Any:
        if not moved.exists():
            wait_for_checkpoint(toy)
            toy.rename(moved)
        return observe(backend, handle)

    monkeypatch.setattr(LocalBackend, "observe", move_first)
    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(toy))
    assert main(list(QUICK)) == 2
    printed = capsys.readouterr().err.splitlines()
    assert printed[-2] == f"Error: the project was moved or deleted while this command ran: {toy}"
    assert "it finds the session there, and nothing is lost" in printed[-1]
    assert not toy.exists()
    (tmp_path / "gate").touch()
    answer = orchestrate(moved, *QUICK, "--json")
    assert (answer.json["end_reason"], answer.json["sessions"], answer.code) == ("finished", 1, 0)
    assert not toy.exists()
