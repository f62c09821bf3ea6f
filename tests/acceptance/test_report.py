"""`report` and `campaign report` on a section that knows nothing of reports, and the page that they write."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from orchestrator.cli.main import main
from orchestrator.stores.ledger.sqlite import SqliteLedger
from tests.conftest import PROJECT_ROOT
from tests.doubles.commands import orchestrate
from tests.doubles.toy_section import make_toy_project, set_behaviour
from tests.doubles.trained_project import Made, TrainedProject, campaign_yaml

QUICK = ("run", "section_7_6", "--quick")
BEHAVIOUR: dict[str, Any] = {"claim": False, "scores": True, "summary": {"reward": 7.5, "lengths": {"mean": 3}}}


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return make_toy_project(tmp_path / "project", json.dumps(BEHAVIOUR))


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_report_has_curves_with_seams_and_a_table_over_seeds(toy: Path) -> None:
    set_behaviour(toy, json.dumps({**BEHAVIOUR, "1": {"do": "die_after_save"}}))
    orchestrate(toy, *QUICK)
    orchestrate(toy, *QUICK, "--seed", "5")
    answer = orchestrate(toy, "report", "section_7_6")
    assert answer.code == 0, answer.err
    folder = toy / "validation_output/reports/section_7_6"
    assert f"Wrote {folder.as_posix()}/statistics.tex" in answer.out
    trainings = _rows(folder / "trainings.csv")
    assert [(row["seed"], row["result"], row["steps"], row["seams"]) for row in trainings] == [
        ("0", "no claim", "40", "10"),
        ("5", "no claim", "40", "10"),
    ]
    assert {row["reward"] for row in trainings} == {"7.5"} and {row["lengths.mean"] for row in trainings} == {"3.0"}
    curve = [row for row in _rows(folder / "learning_curves.csv") if row["seed"] == "5"]
    assert [(row["steps"], row["seam"]) for row in curve] == [("10", "0"), ("20", "1"), ("30", "0"), ("40", "0")]
    statistics = {row["metric"]: row for row in _rows(folder / "statistics.csv")}
    assert set(statistics) == {"reward", "lengths.mean", "curve.last_score", "curve.best_score"}
    assert (statistics["reward"]["n"], statistics["reward"]["mean"], statistics["reward"]["mean_low"]) == (
        "2",
        "7.5",
        "7.5",
    )
    latex = (folder / "statistics.tex").read_text(encoding="utf-8")
    assert r"curve.last\_score & 2 &" in latex and r"\bottomrule" in latex
    picture = ElementTree.fromstring((folder / "learning_curves.svg").read_text(encoding="utf-8"))
    assert len(picture.findall("{*}polyline")) == 2
    assert len([one for one in picture.findall("{*}path") if one.get("stroke-dasharray")]) == 2
    files = sorted((folder / "tensorboard").rglob("events.out.tfevents.*"))
    assert [list(_scalars(path, "score")) for path in files] == [[10, 20, 30, 40]] * 2
    assert _scalars(files[0], "session") == {10: 1.0, 20: 2.0, 30: 2.0, 40: 2.0}


def _scalars(path: Path, tag: str) -> dict[int, float]:
    events = list(EventFileLoader(str(path)).Load())
    values = [(event.step, value) for event in events for value in event.summary.value if value.tag == tag]
    return {step: value.tensor.float_val[0] for step, value in values}


def test_the_same_trainings_give_the_same_files(toy: Path, tmp_path: Path) -> None:
    for seed in ("1", "2", "3"):
        orchestrate(toy, *QUICK, "--seed", seed)
    found: list[dict[str, bytes]] = []
    pages: list[dict[str, Any]] = []
    for _ in range(2):
        assert orchestrate(toy, "report", "section_7_6", "--output", str(tmp_path / "out")).code == 0
        found.append({path.name: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()})
        pages.append({**_page(tmp_path / "out" / "report.html"), "made_at": ""})
        del found[-1]["report.html"]
    assert found[0] == found[1] and len(found[0]) > 5
    assert pages[0] == pages[1]


def test_unfinished_and_invalid_trainings_are_listed_and_do_not_count(toy: Path) -> None:
    set_behaviour(toy, json.dumps({"summary": {"reward": 1.0}, "*": {"verdict": "invalid"}}))
    orchestrate(toy, *QUICK)
    set_behaviour(toy, json.dumps({**BEHAVIOUR, "*": {"do": "die_after_save"}, "2": {"do": "raise"}}))
    orchestrate(toy, *QUICK, "--seed", "1")
    answer = orchestrate(toy, "report", "section_7_6", "--json")
    assert answer.json["statistics"] == [] and answer.json["trainings"] == 2
    results = {row["seed"]: row["result"] for row in _rows(toy / "validation_output/reports/section_7_6/trainings.csv")}
    assert results == {"0": "invalid", "1": "unfinished"}


def test_trainings_with_other_code_are_not_averaged(toy: Path) -> None:
    orchestrate(toy, *QUICK, "--seed", "1")
    set_behaviour(toy, json.dumps({**BEHAVIOUR, "summary": {"reward": 100}}))
    orchestrate(toy, *QUICK, "--seed", "2")
    statistics = orchestrate(toy, "report", "section_7_6", "--json").json["statistics"]
    rewards = [one for one in statistics if one["metric"] == "reward"]
    assert [(one["n"], one["mean"]["value"]) for one in rewards] == [(1, 7.5), (1, 100.0)]


def test_nothing_to_report_is_said_with_the_remedy(toy: Path, tmp_path: Path) -> None:
    answer = orchestrate(toy, "report", "section_7_6")
    assert answer.code == 2 and "python -m orchestrator run section_7_6 --quick" in answer.err
    assert orchestrate(toy, "report", "section_7_7").code == 2
    orchestrate(toy, *QUICK)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("mine", encoding="utf-8")
    refused = orchestrate(toy, "report", "section_7_6", "--output", str(tmp_path / "mine"))
    assert refused.code == 2 and (tmp_path / "mine" / "thesis.tex").read_text(encoding="utf-8") == "mine"


def test_a_campaign_report_needs_no_report_of_the_section(toy: Path) -> None:
    file = toy / "plain.yaml"
    file.write_text(
        "campaign: plain\ntrials:\n  main:\n    section: section_7_6\n    profile: quick\n    seeds: [0, 1]\n",
        encoding="utf-8",
    )
    assert orchestrate(toy, "campaign", "run", str(file)).code == 0
    answer = orchestrate(toy, "campaign", "report", str(file))
    assert answer.code == 0, answer.err
    folder = toy / "validation_output/campaigns/plain"
    assert {row["result"] for row in _rows(folder / "trainings.csv")} == {"no claim"}
    reward = next(row for row in _rows(folder / "statistics.csv") if row["metric"] == "reward")
    assert (reward["n"], reward["iqm"]) == ("2", "7.5")
    assert (folder / "learning_curves.svg").is_file() and (folder / "table.csv").is_file()
    assert len(list((folder / "tensorboard").iterdir())) == 2


def _page(path: Path) -> dict[str, Any]:
    """The data of a page."""
    found = re.search(r'<script[^>]*id="page-data"[^>]*>(.*?)</script>', path.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_the_page_equals_the_ledger_for_a_section_a_run_a_campaign_and_the_project(
    toy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(toy))
    set_behaviour(toy, json.dumps({**BEHAVIOUR, "1": {"do": "die_after_save"}}))
    orchestrate(toy, *QUICK)
    records = SqliteLedger(toy / ".orchestrator" / "ledger.sqlite").sessions()
    reports = toy / "validation_output/reports"
    (toy / "configs/campaigns").mkdir()
    (toy / "configs/campaigns/plain.yaml").write_text(
        "campaign: plain\ntrials:\n  main: {section: section_7_6, profile: quick, seeds: [0, 1]}\n", encoding="utf-8"
    )
    places = {
        ("section_7_6",): reports / "section_7_6",
        (records[0].slug,): reports / records[0].run_id,
        (records[0].run_id,): reports / records[0].run_id,
        (): reports / "project",
        ("plain",): toy / "validation_output/campaigns/plain",
    }
    for words, folder in places.items():
        monkeypatch.setattr("sys.argv", ["orchestrator", "report", *words])
        assert main(["report", *words, "--json"]) == 0, capsys.readouterr().err
        assert (folder / "report.html").as_posix() in json.loads(capsys.readouterr().out.splitlines()[-1])["files"]
        page = _page(folder / "report.html")
        assert [one["slug"] for one in page["sessions"]] == [one.slug for one in records]
        assert [one["end_reason"] for one in page["sessions"]] == ["crashed", "finished"]
        training = page["trainings"][0]
        assert training["lineage_id"] == records[0].lineage_id and training["steps"] == records[-1].steps_done == 40
        assert [(one["steps"], one["grade"]) for one in training["curve"]["seams"]] == [(10, "exact")]
        assert training["curve"]["steps"] == [10, 20, 30, 40]
        assert {one["name"]: one["value"] for one in training["numbers"]} == records[-1].numbers
        assert {one["source"]["session"] for one in training["numbers"]} == {records[-1].slug}
        assert page["headline"]["verdict"] == ("unfinished" if words == ("plain",) else "no claim")
        assert page["notes"] == [] and page["command"] == shlex.join(["python", "-m", "orchestrator", "report", *words])


def test_a_campaign_report_writes_the_page_too(toy: Path) -> None:
    file = toy / "plain.yaml"
    file.write_text(
        "campaign: plain\ntrials:\n  main: {section: section_7_6, profile: quick, seeds: [0, 1]}\n", encoding="utf-8"
    )
    folder = toy / "validation_output/campaigns/plain"
    assert orchestrate(toy, "campaign", "report", str(file)).code == 0
    assert [one["state"] for one in _page(folder / "report.html")["trainings"]] == ["waiting", "waiting"]
    assert orchestrate(toy, "campaign", "run", str(file)).code == 0
    answer = orchestrate(toy, "campaign", "report", str(file))
    assert answer.code == 0 and f"Wrote {folder.as_posix()}/report.html" in answer.out
    page = _page(folder / "report.html")
    assert [one["state"] for one in page["trainings"]] == ["done", "done"]
    assert page["headline"]["text"] == "Finished, no claim: 2 of 2 trainings finished."
    assert [(one["n"], one["mean"]) for one in page["intervals"] if one["measure"] == "reward"] == [(2, 7.5)]


def test_without_plotly_the_tables_are_written_and_one_line_names_the_command(toy: Path, tmp_path: Path) -> None:
    orchestrate(toy, *QUICK)
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "sitecustomize.py").write_text(
        "import sys\nsys.modules['plotly'] = None\n", encoding="utf-8"
    )
    paths = f"{tmp_path / 'without'}{os.pathsep}{PROJECT_ROOT}"
    for words in (("report", "section_7_6"), ("report",)):
        answer = orchestrate(toy, *words, PYTHONPATH=paths)
        assert answer.code == 0, answer.err
        assert answer.out.count('python -m pip install "plotly>=6"') == 1
    assert (toy / "validation_output/reports/section_7_6/trainings.csv").is_file()
    assert not list(toy.rglob("report.html"))


def test_a_damaged_event_file_gives_a_page_with_a_note_and_keeps_the_earlier_tables(toy: Path) -> None:
    orchestrate(toy, *QUICK)
    assert orchestrate(toy, "report", "section_7_6").code == 0
    folder = toy / "validation_output/reports/section_7_6"
    good = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".csv", ".svg", ".tex")}
    assert len(good) >= 4
    (events,) = (toy / "validation_output/results").glob("*/events.jsonl")
    events.write_bytes(b"{\n\xff\n" + events.read_bytes())
    answer = orchestrate(toy, "report", "section_7_6", "--json")
    assert answer.code == 1 and "fetch" in answer.err
    assert answer.json["files"] == [(folder / "report.html").as_posix()], "the page was written all the same"
    assert good.items() <= {one.name: one.read_bytes() for one in folder.iterdir() if one.is_file()}.items()
    assert len(_page(folder / "report.html")["notes"]) == 1
    assert orchestrate(toy, "report").code == 0


def test_a_campaign_with_the_name_of_its_section_has_a_page_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = TrainedProject(tmp_path / "project", campaign_yaml(seeds=2).replace("pages", "section_7_6"))
    trained.train(trained.trials[0], Made(end=40))
    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(trained.project.state))
    folder = trained.project.campaign_reports / "section_7_6"
    assert main(["campaign", "report", "section_7_6"]) == 0, capsys.readouterr().err
    assert _page(folder / "report.html")["subject"] == "campaign"
    (folder / "report.html").unlink()
    assert main(["report", "section_7_6.yaml"]) == 0 and (folder / "report.html").is_file()
    assert main(["report", "section_7_6"]) == 0
    assert _page(trained.project.section_reports / "section_7_6" / "report.html")["subject"] == "section"


def test_a_campaign_report_with_damaged_outputs_writes_the_page_and_refuses_the_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = TrainedProject(tmp_path / "project", campaign_yaml(seeds=2))
    for trial in trained.trials:
        trained.train(trial, Made(end=40, numbers={"reward": 1.0}))
    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(trained.project.state))
    folder = trained.project.campaign_reports / "pages"
    assert main(["campaign", "report", "pages"]) == 0, capsys.readouterr().err
    assert _page(folder / "report.html")["notes"] == [] and (folder / "statistics.csv").is_file()
    next(trained.project.results.glob("*/session_manifest.json")).write_text("{", encoding="utf-8")
    assert main(["campaign", "report", "pages"]) == 1
    assert "are not complete" in capsys.readouterr().err
    page = _page(folder / "report.html")
    assert len(page["notes"]) == 1 and "manifest" in page["notes"][0]
    assert [one["verdict"] for one in page["trainings"]] == ["supported", "supported"]


def test_a_wrong_name_is_refused_with_the_nearest_and_an_empty_project_with_the_command(
    toy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(toy))
    wrong = {("section_7_7",): "section_7_6", ("nothing",): "run SECTION", ("7.6",): "section_7_6", (): "--quick"}
    for words, hint in wrong.items():
        assert main(["report", *words]) == 2
        assert hint in capsys.readouterr().err
    assert not (toy / "validation_output").exists()
    (toy / "validation_output/results/owner_arz-validation-section-7-6-01234567-s01").mkdir(parents=True)
    assert main(["report"]) == 2 and "1 results folder(s) are here" in capsys.readouterr().err
