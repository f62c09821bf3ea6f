"""`report` and `campaign report` ask other backends only with `--ask`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.main import main
from orchestrator.core.page.page import Page
from orchestrator.wiring import pages
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
