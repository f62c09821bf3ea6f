"""What cannot be read is a note on the page that was read before; other backends are asked once a minute."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.cli.commands.serve import _Explained
from orchestrator.core.errors import BadInput, RemoteUnavailable
from orchestrator.core.page.page import Page
from orchestrator.stores.project import Project
from orchestrator.wiring.asked_page import AskedPage
from orchestrator.wiring.live_page import LivePage, script_page
from tests.browser.pages import run_page

PAGE = replace(run_page(live=True), notes=("A file is missing.",))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "home" / "configs" / "sections").mkdir(parents=True)
    found = Project(code=tmp_path / "home", state=tmp_path / "home")
    found.own.mkdir()
    (found.own / "ledger.sqlite").touch()
    return found


class Reading:
    """What a reading gives."""

    def __init__(self) -> None:
        self.page, self.fault = PAGE, None
        self.fault: Exception | None = None
        self.count = 0

    def __call__(self) -> Page:
        self.count += 1
        if self.fault is not None:
            raise self.fault
        return self.page


def test_a_page_is_as_it_was_read(project: Project) -> None:
    reading = Reading()
    live = LivePage(project, PAGE, reading, _Explained())
    reading.page = replace(PAGE, title="later")
    assert live() == reading.page


@pytest.mark.parametrize("part", [".orchestrator/ledger.sqlite", ".orchestrator", "configs", "."])
def test_what_is_gone_is_named_until_it_is_back(project: Project, part: str) -> None:
    reading = Reading()
    live = LivePage(project, PAGE, reading, _Explained())
    place, aside = project.state / part, project.state.with_name("aside")
    shutil.move(place, aside)
    for _ in range(3):
        page = live()
        assert page.trainings == PAGE.trainings and len(page.notes) == 2
        assert "was moved or deleted" in page.notes[0] and "shows what was read before" in page.notes[0]
        assert ("ledger" in page.notes[0]) == part.startswith(".orch")
        assert str(project.state) not in page.notes[0]
    assert reading.count == 0  # what is absent is not made again by reading it
    shutil.move(aside, place)
    assert live().notes == PAGE.notes


def test_a_project_without_a_ledger_lacks_nothing(project: Project) -> None:
    (project.own / "ledger.sqlite").unlink()
    live = LivePage(project, PAGE, Reading(), _Explained())
    assert live().notes == PAGE.notes


def test_a_fault_is_a_note_with_its_remedy_and_without_the_path(project: Project) -> None:
    reading = Reading()
    live = LivePage(project, PAGE, reading, _Explained())
    reading.fault = BadInput(f"{project.own / 'ledger.sqlite'} is damaged", remedy="Move it away.")
    assert live().notes[0].startswith("./.orchestrator/ledger.sqlite is damaged. Move it away. This page shows")
    reading.fault = PermissionError(13, "Permission denied", str(project.own))
    assert live().notes[0].startswith("Permission denied: ./.orchestrator. Change the permissions")


def test_a_bug_is_printed_once_without_secrets(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    reading, secret = Reading(), "ghp_" + "aB3" * 12
    live = LivePage(project, PAGE, reading, _Explained())
    reading.fault = TypeError(f"a bug with {secret}")
    notes = {live().notes[0] for _ in range(5)}
    assert notes == {
        "Internal error TypeError: the terminal of `serve` shows it. This page shows what was read before."
    }
    printed = capsys.readouterr().err
    assert printed.count("Traceback") == 1 and "TypeError: a bug with" in printed and secret not in printed


def test_a_script_without_a_project_is_in_flight_while_it_reports(tmp_path: Path) -> None:
    folder = tmp_path / ".orchestrator" / "alone" / "train"
    folder.mkdir(parents=True)
    events = [
        {"kind": "said", "text": "[CHECKPOINT] Starting fresh training"},
        {"kind": "progress", "steps": 10, "target_steps": 40},
        {"kind": "saved", "steps": 20, "checkpoint": "train_checkpoint_20_steps"},
        {"kind": "alive", "steps": 23},
    ]

    def write(*events: dict[str, object]) -> None:
        at = datetime.now(tz=UTC).isoformat()
        lines = (json.dumps({"at": at, **one}) + "\n" for one in events)
        (folder / "events.jsonl").write_text("".join(lines), encoding="utf-8")

    write(*events)
    live = LivePage(None, PAGE, lambda: script_page(folder, None, "serve train.py"), _Explained())
    assert [(one.in_flight, one.steps_done) for one in live().sessions] == [(True, 23)]
    write(*events, {"kind": "ending"})
    assert [(one.in_flight, one.steps_done) for one in live().sessions] == [(False, 20)]
    folder.rename(tmp_path / "aside")
    page = live()
    assert page.notes[0].startswith("The folder of train was moved or deleted. Put it back, or train again. This page")
    assert [one.steps_done for one in page.sessions] == [20]


class Asking:
    """A clock, and threads that end when the test says so."""

    def __init__(self) -> None:
        self.now_s, self.begun = 1000.0, list[Callable[[], None]]()
        self.shown, self.answer = Reading(), Reading()
        self.page = AskedPage(
            self.shown, self._ask, _Explained(), monotonic=lambda: self.now_s, start=self.begun.append
        )

    def _ask(self) -> None:
        self.shown.page = self.answer()

    def finish(self) -> None:
        self.begun.pop()()


def _reporting(steps: int) -> Page:
    """The page after the backend of its session in flight was asked."""
    (flight,) = [one for one in PAGE.sessions if one.in_flight]
    asked = replace(flight, steps_done=steps, reported_at="2026-11-30T12:00:00+00:00")
    rows = tuple(replace(one, steps=steps) for one in PAGE.trainings)
    return replace(PAGE, sessions=tuple(asked if one is flight else one for one in PAGE.sessions), trainings=rows)


def test_other_backends_are_asked_once_a_minute_beside_the_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "tests.unit.wiring.test_live_page.PAGE",
        replace(PAGE, sessions=tuple(replace(one, reported_at=None) for one in PAGE.sessions)),
    )
    asking = Asking()
    asking.answer.page = _reporting(77_000)
    assert _steps(asking.page()) != 77_000
    for _ in range(5):  # the answer takes long: nothing waits for it, and nothing asks again
        asking.now_s += 50
        asking.page()
    assert len(asking.begun) == 1
    asking.finish()
    assert _steps(asking.page()) == 77_000  # and asks again, since a minute has passed
    asking.finish()
    asking.now_s += 59
    assert _steps(asking.page()) == 77_000 and not asking.begun
    asking.now_s += 2
    asking.page()
    assert len(asking.begun) == 1


def test_a_backend_that_cannot_be_asked_is_a_note() -> None:
    asking = Asking()
    asking.answer.fault = RemoteUnavailable("no network", remedy="Try later.")
    asking.page()
    asking.finish()
    assert asking.page().notes[-1] == "Other backends could not be asked. No network. Try later."
    asking.answer.fault = None
    asking.now_s += 61
    asking.page()
    asking.finish()
    assert asking.page().notes == PAGE.notes


def _steps(page: Page) -> int | None:
    (found,) = {one.steps_done for one in page.sessions if one.in_flight}
    return found
