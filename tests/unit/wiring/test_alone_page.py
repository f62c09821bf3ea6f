"""The page of a script that ran without a project, and `orchestrator.report` in a notebook."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import orchestrator
from orchestrator.core.page.page import Subject
from orchestrator.core.page.training import Wasted
from orchestrator.wiring import notebook
from orchestrator.wiring.alone_page import alone_folder, alone_page
from tests.doubles.trained_project import Told, TrainedProject, campaign_yaml

NOW = datetime(2026, 12, 2, tzinfo=UTC)


def said(text: str) -> dict[str, Any]:
    return {"kind": "said", "text": text}


def step(steps: int) -> list[dict[str, Any]]:
    return [
        {"kind": "progress", "steps": steps, "target_steps": 40, "reward": -steps},
        {"kind": "evaluated", "steps": steps, "score": float(steps)},
    ]


EVENTS: list[Any] = [
    said("[CHECKPOINT] Starting fresh training"),
    *step(10),
    {"kind": "saved", "steps": 20, "checkpoint": "train_checkpoint_20_steps"},
    *step(27),
    said("[CHECKPOINT] Loading checkpoint train_checkpoint_20_steps.zip (20 steps)"),
    {"kind": "saved", "steps": "many"},
    *step(27),
    {"kind": "saved", "steps": 40, "checkpoint": "train_checkpoint_40_steps"},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / ".orchestrator" / "alone" / "train"
    folder.mkdir(parents=True)
    at = (NOW + timedelta(seconds=place) for place in range(len(EVENTS)))
    lines = [json.dumps({"at": when.isoformat(), **one}) for when, one in zip(at, EVENTS, strict=True)]
    (folder / "events.jsonl").write_text("\n".join([*lines[:3], "no event", *lines[3:]]) + '\n{"torn', encoding="utf-8")
    return folder


def test_every_start_of_a_script_is_a_session(folder: Path) -> None:
    page = alone_page(folder, script=Path("train.py"), command="report it", now=NOW)
    killed, finished = page.sessions
    assert (killed.steps_start, killed.steps_done, killed.end_reason) == (0, 20, "crashed")
    assert (finished.steps_start, finished.steps_done, finished.end_reason) == (20, 40, "finished")
    (training,) = page.trainings
    assert page.subject is Subject.RUN and (training.state, training.steps, training.sessions) == ("done", 40, 2)
    assert training.curve.best_steps is None  # its scores choose no best model
    assert training.curve.steps == (10, 27) and training.curve.rewards == (-10.0, -27.0)
    assert [one.steps for one in training.curve.seams] == [20]
    assert training.curve.wasted == (Wasted(steps_from=20, steps_to=27, session="train, start 1"),)
    assert training.command == "python train.py" and page.headline.verdict == "no claim"


def test_while_the_script_runs_its_last_session_is_in_flight(folder: Path) -> None:
    page = alone_page(folder, script=None, command="", now=NOW, in_flight=True)
    assert [one.in_flight for one in page.sessions] == [False, True]
    assert page.trainings[0].state == "in flight" and page.headline.verdict == "unfinished"


def test_an_absent_or_strange_event_file_is_a_note(folder: Path) -> None:
    (folder / "events.jsonl").unlink()
    page = alone_page(folder, script=None, command="", now=NOW)
    assert page.trainings == () and len(page.notes) == 1 and page.headline.text == "Nothing has been trained yet."


@pytest.mark.parametrize(
    ("word", "found"), [("train", True), ("train.py", True), ("../train", False), ("other", False)]
)
def test_a_script_is_found_by_its_name_or_its_path(folder: Path, tmp_path: Path, word: str, found: bool) -> None:
    assert (alone_folder(word, tmp_path) is not None) is found
    assert alone_folder(str(tmp_path / "train.py"), tmp_path) == folder


def test_a_notebook_shows_the_page_in_a_frame_that_cannot_touch_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))  # type: ignore[arg-type]
    shown = orchestrator.report("train")
    frame = shown._repr_html_()
    assert frame.startswith("<iframe ") and frame.endswith("</iframe>") and "srcdoc=" in frame
    assert 'sandbox="allow-scripts allow-popups allow-downloads"' in frame and "allow-same-origin" not in frame
    assert "<script" not in frame and frame.count('"') == 8
    assert not (folder / "report.html").exists() and capsys.readouterr().out == ""
    assert shown.save(tmp_path / "kept" / "page.html").read_text(encoding="utf-8") == shown.text


def test_elsewhere_the_page_is_written_and_its_path_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = TrainedProject(tmp_path / "project", campaign_yaml(seeds=1))
    trained.train(trained.trials[0], Told(end=40))
    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(trained.project.state))
    shown = orchestrator.report("section_7_6")
    assert capsys.readouterr().out == f"Wrote {trained.project.section_reports / 'section_7_6' / 'report.html'}\n"
    assert shown.path is not None and shown.path.read_text(encoding="utf-8") == shown.text
    assert "40 of 40 steps" in repr(shown)


def test_without_plotly_one_line_names_the_command(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "plotly", None)  # type: ignore[arg-type]
    shown = notebook.report("train")
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1 and 'python -m pip install "plotly>=6"' in printed
    assert "plotly" in shown._repr_html_() and not (folder / "report.html").exists()


def test_a_session_that_carries_only_its_own_code_says_where_the_page_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "orchestrator.wiring.notebook", None)  # type: ignore[arg-type]
    assert orchestrator.report() is None
    assert "`orchestrator report`" in capsys.readouterr().out
