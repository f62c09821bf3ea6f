"""Ctrl-C at any moment of any command: exit code 130, no traceback, and the same command goes on afterwards.

A real SIGINT is sent by an audit hook at the n-th event of the interpreter: imports, opened files, renames, SQL.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.test_interrupted_and_changed import QUICK, stems
from tests.conftest import PROJECT_ROOT
from tests.doubles.commands import Answer, orchestrate
from tests.doubles.toy_section import make_toy_project

HOOK = """
import os, signal, sys
kind, at, every = os.environ.get("TEST_EVENT", ""), int(os.environ.get("TEST_AT", "0")), os.environ.get("TEST_AGAIN")
seen = begun = sending = 0
def hook(event, arguments):
    global seen, begun, sending
    if sending:  # `os.kill` is an event too
        return
    if event == "import" and arguments[0] == "orchestrator.cli.main":
        begun = 1
    if begun and kind in ("", event, f"{event}:{arguments[0] if arguments else None}"):
        seen += 1
        if seen == at or (every and seen > at):
            sending = 1
            try:
                os.kill(os.getpid(), signal.SIGINT)
            finally:
                sending = 0
if at and sys.argv[0] in ("-m", "") and "orchestrator" in sys.orig_argv:
    sys.addaudithook(hook)
"""


@pytest.fixture(autouse=True)
def _interruptible() -> Iterator[None]:
    """Restore the default handler: a background test run ignores SIGINT, and child processes inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    folder = tmp_path / "hook"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(HOOK, encoding="utf-8")
    return make_toy_project(tmp_path / "project")


def interrupted(toy: Path, *words: str, at: int, event: str = "", **variables: str) -> Answer:
    path = os.pathsep.join((str(toy.parent / "hook"), str(PROJECT_ROOT)))
    return orchestrate(toy, *words, PYTHONPATH=path, TEST_AT=str(at), TEST_EVENT=event, **variables)


def require_clean(answer: Answer) -> None:
    assert answer.code == 130, (answer.code, answer.out, answer.err)
    assert "Traceback" not in answer.err + answer.out
    assert "KeyboardInterrupt" not in answer.err + answer.out
    assert "Error: interrupted" in answer.err


@pytest.mark.parametrize("at", [1, 7, 40, 200, 700])
def test_during_the_imports_and_help(toy: Path, at: int) -> None:
    require_clean(interrupted(toy, "--help", at=at))


@pytest.mark.parametrize("at", [900, 1500, 2500, 3500])
def test_during_planning(toy: Path, at: int) -> None:
    require_clean(interrupted(toy, *QUICK, "--dry-run", at=at))


@pytest.mark.parametrize("at", [1, 300, 1500])
def test_a_second_ctrl_c_at_every_later_event(toy: Path, at: int) -> None:
    require_clean(interrupted(toy, "status", "--json", at=at, TEST_AGAIN="1"))


def test_while_another_failure_is_printed(toy: Path) -> None:
    assert orchestrate(toy, "run", "section_9_9").code == 2
    masking = "import:orchestrator.stores.secrets.in_use"  # imported when the message of a failure is masked
    require_clean(interrupted(toy, "run", "section_9_9", at=1, event=masking))
    assert interrupted(toy, "run", "section_9_9", "--json", at=1, event=masking).json["exit_code"] == 130


def test_json_ends_with_an_object(toy: Path) -> None:
    assert interrupted(toy, "status", "--json", at=5).json["exit_code"] == 130
    assert interrupted(toy, "status", "--json", at=1200).json["exit_code"] == 130


@pytest.mark.parametrize("at", [1, 2, 4, 7, 11])
def test_in_the_middle_of_a_restore(toy: Path, at: int) -> None:
    assert orchestrate(toy, *QUICK, "--detach").code == 0
    require_clean(interrupted(toy, "attach", "section_7_6", at=at, event="os.rename"))
    answer = orchestrate(toy, *QUICK)
    assert answer.code == 0, answer.err
    assert (answer.json["steps_done"], stems(toy)[-1]) == (40, 40)


def test_an_ignored_sigint_stays_ignored(toy: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    assert interrupted(toy, "--help", at=7).code == 0
