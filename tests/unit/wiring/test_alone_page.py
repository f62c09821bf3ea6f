"""The page of a script that ran without a project, and `orchestrator.report` in a notebook."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pytest

import orchestrator
from orchestrator.cli.commands.report import _page_of_script, report
from orchestrator.cli.output.console import Console
from orchestrator.core.errors import BadInput
from orchestrator.core.page.page import Subject
from orchestrator.core.page.training import Wasted
from orchestrator.kernel.session.context import SessionContext
from orchestrator.kernel.session.current import entered
from orchestrator.kernel.training.base_run import BaseRun
from orchestrator.wiring import notebook
from orchestrator.wiring.alone_page import alone_folder, alone_page
from tests.doubles.toy_section import make_toy_project
from tests.doubles.trained_project import Made, TrainedProject, campaign_yaml

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
    {"kind": "ending"},
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


def started_again(folder: Path, now: datetime, *events: Any) -> None:
    """Five hours after its first start the script continued from 20 steps; one event a second, the last one now."""
    early = [{"at": (now - timedelta(hours=5)).isoformat(), **one} for one in EVENTS[:6]]
    own = [said("[CHECKPOINT] Loading checkpoint train_checkpoint_20_steps.zip (20 steps)"), *events]
    late = [{"at": (now - timedelta(seconds=place)).isoformat(), **one} for place, one in enumerate(reversed(own))]
    lines = [json.dumps(one) for one in (*early, *reversed(late))]
    (folder / "events.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


FRESH = said("[CHECKPOINT] Starting fresh training")


def write(folder: Path, *events: dict[str, Any]) -> None:
    """Events of one hour ago."""
    lines = (json.dumps({"at": (NOW - timedelta(hours=1)).isoformat(), **one}) + "\n" for one in events)
    (folder / "events.jsonl").write_text("".join(lines), encoding="utf-8")


def test_steps_of_a_script_that_was_killed_before_its_first_save_are_lost_steps(folder: Path) -> None:
    write(folder, FRESH, alive(12), FRESH, alive(7), FRESH, alive(20), {"kind": "saved", "steps": 20})
    (training,) = alone_page(folder, script=None, command="", now=NOW).trainings
    assert (training.sessions, training.curve.wasted_steps) == (3, 19)
    assert [(one.steps_from, one.steps_to, one.session) for one in training.curve.wasted] == [
        (0, 12, "train, start 1"),
        (0, 7, "train, start 2"),
    ]


def test_a_script_that_was_started_over_counts_from_there(folder: Path) -> None:
    write(folder, FRESH, {"kind": "saved", "steps": 20}, alive(25), FRESH, alive(9), FRESH, alive(10))
    page = alone_page(folder, script=None, command="", now=NOW)
    assert len(page.sessions) == 3 and page.trainings[0].sessions == 2
    assert page.trainings[0].curve.wasted_steps == 9, "its steps before are of another training"


def alive(steps: int) -> dict[str, Any]:
    return {"kind": "alive", "steps": steps}


def test_a_script_that_runs_is_in_flight_at_the_steps_of_its_latest_report(folder: Path) -> None:
    started_again(folder, NOW, alive(21), alive(25), alive(31))
    page = alone_page(folder, script=None, command="", now=NOW)
    assert [one.in_flight for one in page.sessions] == [False, True]
    (training,) = page.trainings
    assert (training.state, training.steps, training.rate) == ("in flight", 31, 5.0)
    assert page.sessions[1].steps_done == 31 and page.sessions[1].reported_at == NOW.isoformat()
    assert page.headline.text == "Not finished: 31 of 40 steps, in flight."
    silent = alone_page(folder, script=None, command="", now=NOW + timedelta(seconds=31))
    assert silent.sessions[1].end_reason == "crashed" and silent.trainings[0].state == "between sessions"


def test_before_its_first_report_a_script_is_at_the_steps_from_which_it_continued(folder: Path) -> None:
    started_again(folder, NOW)
    assert alone_page(folder, script=None, command="", now=NOW).headline.text.startswith("Not finished: 20 of 40")


def test_a_script_that_reported_its_end_is_not_in_flight_in_the_next_second(folder: Path) -> None:
    started_again(folder, NOW, alive(25), {"kind": "saved", "steps": 25}, {"kind": "ending"})
    page = alone_page(folder, script=None, command="", now=NOW)
    assert [one.in_flight for one in page.sessions] == [False, False] and page.sessions[1].end_reason == "paused"


def test_report_inside_the_block_has_the_steps_of_the_run(folder: Path) -> None:
    started_again(folder, datetime.now(tz=UTC), alive(25))
    page, _ = notebook._of_run(cast("BaseRun", SimpleNamespace(models_dir=folder, step=33, is_open=True)))
    assert page.headline.text == "Not finished: 33 of 40 steps, in flight." and page.sessions[1].steps_done == 33


def test_the_command_report_shows_a_script_that_runs(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(make_toy_project(tmp_path))
    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(tmp_path))
    started_again(folder, datetime.now(tz=UTC), alive(31))
    report(str(tmp_path / "train.py"), as_json=True)
    assert json.loads(capsys.readouterr().out)["headline"]["text"] == "Not finished: 31 of 40 steps, in flight."


def test_the_page_of_a_script_is_not_written_beside_files_of_the_user(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "report.html").write_text("years of work", encoding="utf-8")
    with pytest.raises(BadInput, match="files that no report wrote"):
        _page_of_script(folder, "train.py", tmp_path / "thesis", Console(sys.stderr))
    assert (tmp_path / "thesis" / "report.html").read_text(encoding="utf-8") == "years of work"
    for _ in range(2):
        shown = _page_of_script(folder, "train.py", tmp_path / "new", Console(sys.stderr))
        assert shown["files"] == [(tmp_path / "new" / "report.html").as_posix()]


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


class Notebook:
    """A stand-in for the kernel of a notebook: it records what cells show, as IPython does.

    https://ipython.readthedocs.io/en/stable/config/integrating.html
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.kernel, self.execution_count, self.shown = object(), 1, list[dict[str, str]]()
        display = ModuleType("IPython.display")
        vars(display)["display"] = self._display
        library = ModuleType("IPython")
        vars(library).update(get_ipython=lambda: self, display=display)
        monkeypatch.setitem(sys.modules, "IPython", library)
        monkeypatch.setitem(sys.modules, "IPython.display", display)

    def _display(self, value: Any, *, raw: bool = False) -> None:
        if raw:
            self.shown.append(value)
        else:
            value._ipython_display_()

    def run(self, cell: Callable[[], Any]) -> list[dict[str, str]]:
        """What the cell shows; the last value of the cell is shown if it is not None."""
        self.shown = []
        last = cell()
        if last is not None:
            last._ipython_display_()
        self.execution_count += 1
        return self.shown


@pytest.fixture
def cells(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Notebook:
    monkeypatch.chdir(tmp_path)
    return Notebook(monkeypatch)


def test_a_notebook_shows_the_page_in_a_frame_that_cannot_touch_it(
    cells: Notebook, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shown,) = cells.run(lambda: orchestrator.report("train"))
    frame = shown["text/html"]
    assert frame.startswith("<iframe ") and frame.endswith("</iframe>") and "srcdoc=" in frame
    assert 'sandbox="allow-scripts allow-popups allow-downloads"' in frame and "allow-same-origin" not in frame
    assert "<script" not in frame and frame.count('"') == 8
    assert not (folder / "report.html").exists() and capsys.readouterr().out == ""
    page = orchestrator.report("train")
    assert page.save(tmp_path / "kept" / "page.html").read_text(encoding="utf-8") == page.text


def test_each_call_shows_the_page_once_wherever_it_stands(cells: Notebook) -> None:
    kept: list[Any] = []
    for cell in (
        lambda: kept.append(orchestrator.report("train")),  # in a block or a function: no value of the cell
        lambda: import_module("IPython.display").display(orchestrator.report("train")),
        lambda: orchestrator.report("train"),
        lambda: kept[0],  # the value in a later cell
        lambda: kept[0],
    ):
        assert ["<iframe " in one["text/html"] for one in cells.run(cell)] == [True]
    assert len(cells.run(lambda: kept.extend(orchestrator.report("train") for _ in range(2)))) == 2


@pytest.mark.parametrize("library", ["plotly", "jinja2"])
def test_a_notebook_without_a_library_of_the_page_shows_the_answer_and_what_to_install(
    cells: Notebook, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "orchestrator.page.document", raising=False)
    monkeypatch.setitem(sys.modules, library, None)
    (shown,) = cells.run(lambda: orchestrator.report("train"))
    install = {"plotly": "&quot;plotly&gt;=6&quot;"}.get(library, library)
    assert f"python -m pip install {install}" in shown["text/html"] and "40 steps" in shown["text/html"]


@pytest.mark.parametrize(("library", "install"), [("yaml", "pyyaml"), ("pydantic", "pydantic")])
def test_a_library_of_the_project_that_is_missing_is_named_with_the_command(
    library: str, install: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {library!r}", name=library)

    monkeypatch.setattr(orchestrator, "import_module", missing)
    assert orchestrator.report() is None
    assert capsys.readouterr().out == (
        f"No page, because No module named {library!r}: python -m pip install {install}\n"
    )


def test_elsewhere_the_page_is_written_and_its_path_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = TrainedProject(tmp_path / "project", campaign_yaml(seeds=1))
    trained.train(trained.trials[0], Made(end=40))
    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(trained.project.state))
    shown = orchestrator.report("section_7_6")
    assert capsys.readouterr().out == f"Wrote {trained.project.section_reports / 'section_7_6' / 'report.html'}\n"
    assert shown.path is not None and shown.path.read_text(encoding="utf-8") == shown.text
    assert "40 of 40 steps" in repr(shown)


def test_without_plotly_one_line_names_the_command(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "plotly", None)
    shown = notebook.report("train")
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1 and 'python -m pip install "plotly>=6"' in printed
    assert "plotly" in shown._repr_html_() and not (folder / "report.html").exists()


def test_what_is_printed_instead_of_a_page_holds_no_secret_and_fits_the_terminal(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "9f1c07d2b3a84e65" + "a0c4d8e2f6b1937c"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KAGGLE_KEY", secret)
    monkeypatch.setattr(notebook.NotebookPage, "save", lambda page, path: setattr(page, "path", f"élan/{secret}"))
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    notebook.report("train")
    assert written.getvalue() == b"Wrote \\xe9lan/[value of KAGGLE_KEY]\n"


def test_a_session_that_carries_only_its_own_code_says_where_the_page_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "orchestrator.wiring.notebook", None)
    assert orchestrator.report() is None
    assert "`orchestrator report`" in capsys.readouterr().out


def test_a_session_of_a_project_prints_one_line_even_where_everything_is_installed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(folder.rglob("*"))
    line = "No page in a session: `orchestrator report` makes it where the run was started.\n"
    with entered(cast("SessionContext", SimpleNamespace())):
        assert orchestrator.report() is None and orchestrator.report("train") is None
    of_project = BaseRun.__new__(BaseRun)
    of_project._context = cast("SessionContext", SimpleNamespace(ticket=SimpleNamespace(run_id="mine-1")))
    assert orchestrator.report(of_project) is None
    assert capsys.readouterr().out == 3 * line and sorted(folder.rglob("*")) == before


def test_no_error_of_a_report_ends_the_training(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = BaseRun.__new__(BaseRun)
    run._context = cast("SessionContext", SimpleNamespace(ticket=SimpleNamespace(run_id="alone"), models_dir=folder))
    run._step, run._paused = 33, None
    (folder / "report.html").mkdir()
    assert orchestrator.report(run) is None
    assert capsys.readouterr().out.startswith("The page was not made: IsADirectoryError: ")
    (folder / "report.html").rmdir()
    assert orchestrator.report(run).page.command == "orchestrator.report(run)"
    monkeypatch.chdir(folder.parents[2])
    assert orchestrator.report("train").page.command == "orchestrator.report('train')"
