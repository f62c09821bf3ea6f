"""Bad cards, bad arguments and full disks give one cause, one remedy and the right exit code; nothing starts."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.error_boundary import run_command
from orchestrator.cli.main import main
from orchestrator.core.errors import RunFailed
from orchestrator.core.ledger.events import Event, EventKind
from orchestrator.stores.ledger.sqlite import SqliteLedger
from tests.doubles.commands import break_judgement, orchestrate
from tests.doubles.toy_section import make_toy_project, read_card_file, write_card


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return make_toy_project(tmp_path / "project")


BAD_VALUES = [
    ("profiles.quick.checkpoint_every_steps", None, "missing"),
    ("profiles.full.target_steps", None, "missing"),
    ("profiles.quick.deadline_s", float("nan"), "finite"),
    ("profiles.quick.deadline_s", float("inf"), "finite"),
    ("environment.dt_s", 5.0, "CFL"),
    ("environment.dx_m", 7.0, "multiple"),
    ("criteria.min_delay_reduction_pct", 500.0, "[0, 100)"),
    ("criteria.min_trainings", 0, "above 0"),
    ("directory", "../../../evil", "plain folder name"),
    ("entry_point", "orchestrator.core.errors", "must be a module of the project"),
    ("entry_point", "mypackage.train:run", "must be a module of the project"),
    ("include", ["../*.json"], "inside the project"),
    ("include", ["C:/data/*.json"], "inside the project"),
    ("include", ["assets/**.json"], "whole part"),
    ("algorithms.DQN.learning_rate.start", -1.0, "[0, 1]"),
    ("kaggle.session_timeout_s", 90_000.0, "session_timeout_s"),
    ("kaggle.wheelhouse", "mine", "owner/dataset"),
]


@pytest.mark.parametrize(("place", "value", "word"), BAD_VALUES, ids=[f"{p}={v}" for p, v, _ in BAD_VALUES])
def test_invalid_card_value_is_refused_before_the_run_starts(toy: Path, place: str, value: Any, word: str) -> None:
    card: dict[str, Any] = read_card_file(toy)
    block = (card.setdefault("kaggle", {}) and card) or card
    *folders, name = place.split(".")
    for folder in folders:
        block = block[folder]
    if value is None:
        del block[name]
    else:
        block[name] = value
    write_card(toy, card)
    answer = orchestrate(toy, "run", "section_7_6", "--quick", "--json")
    assert answer.code == 2
    assert word in answer.json["error"]
    assert "Traceback" not in answer.err
    assert not (toy / "validation_output").exists()


@pytest.mark.parametrize(
    "words", [("run", "--bogus"), ("run",), ("run", "section_7_6", "--deadline-s", "nan"), ("fly",)]
)
def test_wrong_arguments_exit_2_with_cause_and_remedy(toy: Path, words: tuple[str, ...]) -> None:
    answer = orchestrate(toy, *words, "--json")
    assert (answer.code, answer.json["exit_code"]) == (2, 2)
    assert answer.json["remedy"]
    assert len(answer.err.splitlines()) == 2


def test_full_disk_error_exits_2_not_3(capsys: pytest.CaptureFixture[str]) -> None:
    def fill() -> int:
        raise OSError(28, "No space left on device", "/data/x.zip")

    assert run_command(fill, as_json=True) == 2
    captured = capsys.readouterr()
    assert "Free disk space" in captured.err
    assert json.loads(captured.out)["exit_code"] == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_full_disk_is_detected_before_the_run(
    toy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(toy))
    monkeypatch.setattr(os, "fsync", full)
    assert main(["run", "section_7_6", "--quick"]) == 2
    assert "Free disk space" in capsys.readouterr().err
    assert not (toy / ".orchestrator/local").exists()


def test_full_ledger_remedy_does_not_suggest_moving_the_file(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "ledger.sqlite")
    ledger._connection.execute("PRAGMA max_page_count=1")
    body = {"section": "s", "lineage_id": "l" * 9000, "profile": "quick", "backend": "local"}
    steps = {"target_steps": 1, "steps_start": 0, "steps_done": 0}
    event = Event(kind=EventKind.RUN_STARTED, at="t", run_id="r", session=None, body={**body, **steps})
    with pytest.raises(RunFailed, match="full") as fault:
        ledger.record(event)
    assert "Move" not in fault.value.remedy
    ledger.close()


def test_internal_error_report_is_written_into_the_project(toy: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "élan"
    elsewhere.mkdir()
    bug = break_judgement(tmp_path / "bug")
    answer = orchestrate(
        toy,
        "run",
        "section_7_6",
        "--quick",
        cwd=elsewhere,
        LC_ALL="C",
        PYTHONUTF8="0",
        PYTHONIOENCODING="ascii",
        PYTHONPATH=bug,
    )
    assert answer.code == 3
    assert "Traceback" not in answer.err
    assert (toy / ".orchestrator" / "last_error.txt").is_file()
    assert not list(elsewhere.iterdir())
