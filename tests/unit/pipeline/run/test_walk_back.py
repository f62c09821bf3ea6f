"""A walk back killed before any rename loses nothing; the next program completes it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from orchestrator.core.ledger.events import Event, EventKind
from orchestrator.core.ledger.records import session_key
from orchestrator.kernel.checkpoint.survey import survey_checkpoints
from orchestrator.kernel.wire import FileEntry
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.run.walk_back import due_walk_back, walk_back
from orchestrator.stores.checkpoint.models_dir import ModelsDirectory
from orchestrator.stores.ledger.sqlite import SqliteLedger
from orchestrator.stores.session.results import ResultsTree
from tests.doubles.clock import FakeClock
from tests.doubles.narrator import Listener
from tests.unit.kernel.makers import PLANNED, SCENARIO, make_ticket, save


class Killed(BaseException):
    """Stands for the death of the program."""


class WalkBackCase:
    """One models directory with the checkpoints of 20 and 30 steps, a ledger, and nothing in flight."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.models = ModelsDirectory(root / "data" / "models", SCENARIO)
        parent = None
        for steps in (10, 20, 30):
            parent = save(root / "data" / "models", steps, parent=parent)
        assert parent is not None
        (root / "data/models/best_model").mkdir()
        (root / "data/models/best_model/best_model.zip").write_bytes(b"best")
        self.newest = parent
        self.ledger = SqliteLedger(root / "ledger.sqlite")
        self.lineage_id = parent.lineage_id
        self.listener = Listener()
        self._tokens = iter(range(100))
        self._event(
            EventKind.RUN_STARTED,
            section="s",
            lineage_id=self.lineage_id,
            profile="full",
            backend="local",
            target_steps=100,
            steps_start=30,
            steps_done=30,
        )

    def context(self) -> RunContext:
        """The run context of a program that was just started."""
        return RunContext(
            backend=cast("Any", None),
            clock=FakeClock(),
            ledger=self.ledger,
            models=self.models,
            results=ResultsTree(self.root / "results"),
            code=cast("Any", None),
            narrator=self.listener,
            draw_token=lambda: f"{next(self._tokens):032x}",
            version="0",
        )

    def _event(self, kind: EventKind, key: str | None = None, **body: Any) -> None:
        self.ledger.record(Event(kind=kind, at="2026-01-01T00:00:00+00:00", run_id="run", session=key, body=body))

    def failed_session(self, number: int, entries: tuple[FileEntry, ...]) -> None:
        key = session_key("run", number, 1)
        ticket = make_ticket(inputs=entries, spec={**PLANNED, "target_steps": 100}).to_json()
        self._event(
            EventKind.SESSION_PLANNED,
            key,
            lineage_id=self.lineage_id,
            session=number,
            attempt=1,
            slug=f"slug-{number}",
            backend="local",
            nonce="n",
            ticket=ticket,
        )
        self._event(EventKind.SESSION_SUBMITTED, key, handle=f"local://local/slug-{number}")
        judged = {"exit_code": 1, "verdict": None, "steps_start": None, "steps_done": 30, "resume_grade": None}
        self._event(EventKind.SESSION_JUDGED, key, end_reason="section_failed", problems=[], **judged)
        self._event(EventKind.SESSION_CLOSED, key, restored=[], models_steps=30)

    def bytes_anywhere(self) -> set[bytes]:
        return {path.read_bytes() for path in (self.root / "data").rglob("*") if path.is_file()}


@pytest.fixture
def case(tmp_path: Path) -> Iterator[WalkBackCase]:
    case = WalkBackCase(tmp_path)
    entries = case.models.view().entries
    for number in (2, 3):
        case.failed_session(number, entries)
    yield case
    case.ledger.close()


def start_program(case: WalkBackCase) -> bool:
    """Do what a program does at its start; return whether it walked back."""
    context = case.context()
    with context.models.locked():
        context.models.recover()
        due = due_walk_back(context, case.lineage_id, context.models.view())
        if due is not None and due.parent is not None:
            walk_back(context, "run", due)
            return True
    return False


def test_checking_for_a_walk_back_writes_nothing(case: WalkBackCase) -> None:
    before = sorted(path.as_posix() for path in case.root.rglob("*"))
    due = due_walk_back(case.context(), case.lineage_id, case.models.view())
    assert due is not None and due.left == case.newest and due.parent is not None
    assert [card.steps for card in due.parent.verified] == [20]
    assert sorted(path.as_posix() for path in case.root.rglob("*")) == before


def test_a_walk_back_restores_the_parent_and_archives_the_abandoned_checkpoint(case: WalkBackCase) -> None:
    everything = case.bytes_anywhere()
    assert start_program(case)
    assert [card.steps for card in case.models.view().verified] == [20]
    assert (case.root / "data/models/best_model/best_model.zip").read_bytes() == b"best"
    (archive,) = (case.root / "data/archive").iterdir()
    assert archive.name.startswith("unusable-")
    assert survey_checkpoints(archive, SCENARIO).latest == case.newest
    assert everything <= case.bytes_anywhere()
    assert not start_program(case), "it is not done twice"
    (run,) = case.ledger.runs()
    assert (run.walks, run.steps_done) == (((30, "run/s03a1"),), 20) and case.ledger.rebuild()


@pytest.mark.parametrize("renames", range(12))
def test_a_kill_before_any_rename_loses_nothing(
    case: WalkBackCase, renames: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything, renames_left, real = case.bytes_anywhere(), [renames], os.replace

    def counted(*words: Any, **named: Any) -> None:
        if not renames_left[0]:
            raise Killed
        renames_left[0] -= 1
        real(*words, **named)

    monkeypatch.setattr(os, "replace", counted)
    killed = False
    try:
        start_program(case)
    except Killed:
        killed = True
    monkeypatch.undo()
    assert killed or renames >= 3  # the journal is renamed twice, then each file
    assert everything <= case.bytes_anywhere()
    start_program(case)
    assert [card.steps for card in case.models.view().verified] == [20]
    assert everything <= case.bytes_anywhere() and not start_program(case)
