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


def test_a_report_that_fails_keeps_the_files_of_the_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = TrainedProject(tmp_path / "project", campaign_yaml(seeds=2))
    trained.train(trained.trials[0], Made(end=40, numbers={"reward": 1.0}))
    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(trained.project.state))
    package = trained.project.code / trained.trials[0].card.code_folder / "multi_seed"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    own = "import pathlib, sys\nnew = pathlib.Path(sys.argv[4])\n(new / 'pool.md').write_text({!r})\n"
    fails = "raise SystemExit('Nothing pooled: on purpose')\n"
    (package / "__main__.py").write_text(own.format("half") + fails, encoding="utf-8")
    folder = trained.project.campaign_reports / "pages"
    assert main(["campaign", "report", "pages"]) == 1
    printed = capsys.readouterr()
    assert "Nothing pooled: on purpose" in printed.err and "Kept from" not in printed.out
    assert not (folder / "pool.md").exists() and (folder / "table.csv").is_file()

    shows = "print(f'Wrote {new}/pool.md')\n"
    (package / "__main__.py").write_text(own.format("whole") + shows, encoding="utf-8")
    assert main(["campaign", "report", "pages"]) == 0
    assert f"Wrote {folder}/pool.md" in capsys.readouterr().out
    table = (folder / "table.csv").read_text(encoding="utf-8")

    trained.train(trained.trials[1], Made(end=40, numbers={"reward": 2.0}))
    (package / "__main__.py").write_text(own.format("half") + fails, encoding="utf-8")
    assert main(["campaign", "report", "pages"]) == 1
    printed = capsys.readouterr()
    assert f"Kept from the earlier report in {folder.as_posix()}: pool.md" in printed.out
    assert (folder / "pool.md").read_text(encoding="utf-8") == "whole"
    assert (folder / "table.csv").read_text(encoding="utf-8") != table and (folder / "report.html").is_file()
    assert len(json.loads((folder / "section_7_6_trials.json").read_text(encoding="utf-8"))["trials"]) == 2

    (package / "__main__.py").unlink()
    assert main(["campaign", "report", "pages"]) == 0
    assert not (folder / "pool.md").exists() and (folder / "statistics.csv").is_file()
