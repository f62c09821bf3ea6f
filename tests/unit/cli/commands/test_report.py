"""`report` and `campaign report`: which backends they ask, and what they print."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.main import main
from orchestrator.core.ledger.records import SessionRecord
from orchestrator.core.page.page import Page
from orchestrator.core.session.live_progress import LiveProgress
from orchestrator.wiring import pages
from orchestrator.wiring.page import chains
from tests.doubles.trained_project import Made, TrainedProject, campaign_yaml


@pytest.mark.parametrize("ask", [False, True])
@pytest.mark.parametrize("words", [("report",), ("report", "section_7_6"), ("campaign", "report", "pages")])
def test_backends_are_asked_only_if_the_user_wants_it(
    words: tuple[str, ...], ask: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = TrainedProject(tmp_path / "project", campaign_yaml(seeds=1))
    trained.train(trained.trials[0], Made(end=20, reason="paused"), run_end=None)
    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(trained.project.state))
    asked, page_of = list[bool](), pages.page_of

    def recorded(*named: Any, ask: bool, **options: Any) -> Page:
        asked.append(ask)
        return page_of(*named, ask=ask, **options)

    monkeypatch.setattr(pages, "page_of", recorded)
    assert main([*words, *(["--ask"] if ask else [])]) == 0
    assert asked == [ask]


@pytest.mark.parametrize("words", [("section_7_6",), ("section_7_6", "--json")])
def test_a_training_in_flight_is_shown_with_its_live_state(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = TrainedProject(tmp_path / "project", campaign_yaml(seeds=1))
    trained.train(trained.trials[0], Made(end=20, reason="paused"), Made(start=20, closed=False), run_end=None)
    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(trained.project.state))

    def live_progress(project: object, card: object, sessions: Sequence[SessionRecord], *, ask: bool) -> list[Any]:
        of_session = {"backend": "local", "handle": None, "stage": "", "state": "", "target_steps": 40}
        measured = {"steps": 33, "steps_per_s": 7.0, "eta_s": 61.0}
        return [LiveProgress(session=one.slug, **of_session, **measured) for one in sessions]

    monkeypatch.setattr(chains, "live_progress", live_progress)
    assert main(["report", *words]) == 0
    out = capsys.readouterr().out
    if "--json" in words:
        (found,) = json.loads(out)["unfinished"].values()
        assert found == {"state": "in flight", "steps": 33, "target_steps": 40, "rate": 7.0, "eta_s": 61.0}
    else:
        assert "unfinished, in flight, 33 of 40 steps, 7 steps/s, 0:01:01 left, 2 session(s)" in out
        assert ": unfinished, 0 steps" not in out
