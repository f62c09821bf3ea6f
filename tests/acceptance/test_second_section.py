"""A second section with its own keys beside section 7.6: read, checked, set, varied in a campaign, run to the end."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from orchestrator.stores.section.card_yaml import load_card
from orchestrator.stores.session.code_bundle import CodeStore
from tests.doubles.commands import orchestrate
from tests.doubles.real_section import make_real_project
from tests.doubles.second_section import CARD, add_second_section
from tests.doubles.toy_section import make_toy_project

RUN = ("run", "lake", "--quick", "--json")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = make_toy_project(tmp_path / "project")
    add_second_section(root)
    return root


def test_it_runs_to_the_end_and_resumes(project: Path) -> None:
    answer = orchestrate(project, *RUN)
    assert answer.code == 0, answer.err
    quick = answer.json
    assert (quick["end_reason"], quick["steps_done"], quick["verdict"]) == ("finished", 40, "supported")
    full = orchestrate(project, "run", "lake", "--json").json
    assert (full["steps_start"], full["steps_done"], full["resume_grade"]) == (40, 80, "exact")
    models = project / "validation_ch7/lake/data/models/checkpoints"
    assert (models / "lake_checkpoint_80_steps.zip").read_bytes() == b"5.0 2.0 80"
    beside = orchestrate(project, "run", "section_7_6", "--quick", "--json").json
    assert (beside["end_reason"], beside["steps_done"]) == ("finished", 40)


def test_its_own_keys_can_be_set(project: Path) -> None:
    words = (*RUN, "--set", "lake.depth_m=7.5", "--set", "wind_m_s=3", "--set", "lake.inflow_m3_s=0.5")
    answer = orchestrate(project, *words)
    assert answer.code == 0, answer.err
    trial = project / f"validation_ch7/lake/trials/{answer.json['lineage_id'][:8]}/data/models/checkpoints"
    assert (trial / "lake_checkpoint_40_steps.zip").read_bytes() == b"7.5 3.0 40"
    plain = orchestrate(project, *RUN).json
    assert plain["lineage_id"] != answer.json["lineage_id"]


def test_another_value_in_the_card_is_another_training(project: Path) -> None:
    assert orchestrate(project, *RUN).code == 0
    card = project / "configs/sections/lake.yaml"
    card.write_text(CARD.replace("depth_m: 5.0", "depth_m: 6.0"), encoding="utf-8")
    refused = orchestrate(project, "run", "lake", "--json")
    assert refused.code == 2
    assert "lake.depth_m" in refused.err + refused.out


def test_other_criteria_ask_for_a_new_verdict_of_the_same_training(project: Path) -> None:
    first = orchestrate(project, *RUN).json
    card = project / "configs/sections/lake.yaml"
    card.write_text(CARD.replace("largest_error: 0.5", "largest_error: 0.05"), encoding="utf-8")
    second = orchestrate(project, *RUN).json
    assert second["lineage_id"] == first["lineage_id"]
    assert (second["steps_done"], second["verdict"]) == (40, "not_supported")


def test_a_campaign_varies_its_own_keys(project: Path) -> None:
    folder = project / "configs/campaigns"
    folder.mkdir()
    (folder / "depths.yaml").write_text(
        "campaign: depths\nbackend: local\ntrials:\n  main:\n    section: lake\n    profile: quick\n    seeds: 1\n"
        "    matrix: {lake.depth_m: [4.0, 5.0], settings.note: [calm, rough]}\n",
        encoding="utf-8",
    )
    answer = orchestrate(project, "campaign", "run", "depths", "--every-s", "0.2", "--json")
    assert answer.code == 0 and answer.json["complete"], answer.err
    table = orchestrate(project, "campaign", "results", "depths")
    rows = list(csv.DictReader(io.StringIO(table.out)))
    assert len({row["lineage_id"] for row in rows}) == 4 and {row["verdict"] for row in rows} == {"supported"}
    assert {(row["metric"], row["part"]) for row in rows} == {
        ("deepest_m", ""),
        ("error", "low"),
        ("error", "top"),
    }
    depths = {
        json.loads(path.read_text(encoding="utf-8"))["depth_m"]
        for path in (project / "validation_output/results").rglob("lake.json")
    }
    assert depths == {4.0, 5.0}


def test_faults_of_own_keys_are_reported_together_with_their_lines(project: Path) -> None:
    wrong = CARD.replace("depth_m: 5.0", "depht_m: 5.0").replace("kind: salt", "kind: sweet")
    wrong = wrong.replace("[3, 2]", "[3, two]").replace("largest_error: 0.5", "largest_error: much") + "wnd_m_s: 1.0\n"
    (project / "configs/sections/lake.yaml").write_text(wrong, encoding="utf-8")
    answer = orchestrate(project, *RUN)
    assert answer.code == 2
    for words in (
        "line 7: lake.depht_m: unknown key, did you mean depth_m?",
        "lake.depth_m: missing",
        "line 8: lake.kind: Input should be 'salt' or 'fresh'",
        "line 9: lake.layers.1: ",
        "line 11: criteria.largest_error: ",
        "wnd_m_s: unknown key, did you mean wind_m_s?",
    ):
        assert words in answer.err, words


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("lake.depht_m=3", "Did you mean lake.depth_m?"),
        ("lake.depth=3", "the card has no lake.depth"),
        ("wind_ms=3", "Did you mean wind_m_s?"),
        ("lake.inflow=0.5", "Did you mean lake.inflow_m3_s?"),
        ("lake.depth_m=deep", "lake.depth_m"),
        ("lake.depth_m=-1", "depth_m must be above 0, not -1.0"),
        ("settings.nte=rough", "the card has no settings.nte"),
        ("environment.decision_s=5", "the card has no environment.decision_s"),
    ],
)
def test_wrong_settings_of_own_keys_are_refused(project: Path, word: str, message: str) -> None:
    answer = orchestrate(project, *RUN, "--set", word)
    assert answer.code == 2 and message in answer.err


def test_beside_the_real_section_7_6_it_runs_and_changes_nothing_for_it(tmp_path: Path) -> None:
    root = make_real_project(tmp_path / "real")
    cards = root / "configs/sections"
    before = CodeStore(root).bundle(load_card(cards, "section_7_6"))
    lineage = load_card(cards, "section_7_6").lineage.id
    add_second_section(root)
    answer = orchestrate(root, *RUN)
    assert (answer.code, answer.json["verdict"], answer.json["steps_done"]) == (0, "supported", 40), answer.err
    after = CodeStore(root).bundle(load_card(cards, "section_7_6"))
    assert after.digest == before.digest and after.archive == before.archive
    assert load_card(cards, "section_7_6").lineage.id == lineage
    own = CodeStore(root).bundle(load_card(cards, "lake"))
    beside = {name for name in own.names if not name.startswith("orchestrator/")}
    assert beside == {f"validation_ch7/{name}" for name in ("__init__.py", *(f"lake/{one}" for one in LAKE))}
    assert not [name for name in own.names if name.startswith("orchestrator/sb3/")]


LAKE = ("__init__.py", "entry.py", "schema.py")


def _rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def test_its_report_has_the_numbers_that_it_reports(project: Path) -> None:
    for seed in ("0", "1"):
        assert orchestrate(project, *RUN, "--seed", seed).code == 0
    assert orchestrate(project, *RUN, "--set", "lake.depth_m=7.5").code == 0
    answer = orchestrate(project, "report", "lake")
    assert answer.code == 0, answer.err
    folder = project / "validation_output/reports/lake"
    trainings = {(row["variant"], row["seed"]): row for row in _rows(folder / "trainings.csv")}
    assert set(trainings) == {("lake, lake.depth_m=5.0", "0"), ("lake, lake.depth_m=5.0", "1"), DEEPER}
    assert {(row["error.top"], row["error.low"]) for row in trainings.values()} == {("0.1", "0.2")}
    assert (trainings[DEEPER]["deepest_m"], trainings[DEEPER]["result"]) == ("7.5", "supported")
    measured = {row["metric"] for row in _rows(folder / "statistics.csv")}
    assert {"deepest_m", "error.top", "error.low"} <= measured
    assert not [name for name in measured if "delay" in name or "controller" in name]


DEEPER = ("lake, lake.depth_m=7.5", "0")


def _campaign(root: Path, group: str) -> None:
    folder = root / "configs/campaigns"
    folder.mkdir(exist_ok=True)
    text = f"campaign: lakes\nbackend: local\ntrials:\n  main:\n    section: lake\n    profile: quick\n{group}"
    (folder / "lakes.yaml").write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ("{lake.depht_m: [4.0]}", "lake.depth_m"),
        ("{lake.depth_m: [-4.0]}", "depth_m must be above 0, not -4.0"),
        ("{environment.dx_m: [5.0]}", "the card has no environment.dx_m"),
    ],
)
def test_a_campaign_refuses_wrong_own_keys_before_anything_runs(project: Path, matrix: str, message: str) -> None:
    _campaign(project, f"    seeds: 1\n    matrix: {matrix}\n")
    answer = orchestrate(project, "campaign", "run", "lakes", "--every-s", "0.2")
    assert answer.code == 2 and message in answer.err, answer.err
    assert not (project / "validation_output/results").exists()


def test_a_search_varies_its_own_keys_and_judges_by_its_own_number(project: Path) -> None:
    search = "{space: {lake.depth_m: {low: 4.0, high: 6.0}}, objective: deepest_m, trials: 2, batch: 2}"
    _campaign(project, f"    search: {search}\n")
    answer = orchestrate(project, "campaign", "run", "lakes", "--every-s", "0.2", "--json")
    assert answer.code == 0 and answer.json["complete"], answer.err
    rows = orchestrate(project, "campaign", "status", "lakes", "--json").json["all_trials"]
    objectives = [row["objective"] for row in rows]
    assert len(objectives) == 2 and all(4.0 <= value <= 6.0 for value in objectives) and len(set(objectives)) == 2


def test_a_report_of_its_own_may_need_any_library(project: Path) -> None:
    _campaign(project, "    seeds: 1\n")
    assert orchestrate(project, "campaign", "run", "lakes", "--every-s", "0.2").code == 0
    package = project / "validation_ch7/lake/multi_seed"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    main = package / "__main__.py"
    main.write_text("import a_library_of_lakes\n", encoding="utf-8")
    answer = orchestrate(project, "campaign", "report", "lakes")
    assert answer.code == 2 and "the report of lake needs a_library_of_lakes, which is not installed" in answer.err
    main.write_text("print('Depth drawn')\n", encoding="utf-8")
    drawn = orchestrate(project, "campaign", "report", "lakes")
    assert drawn.code == 0 and "Depth drawn" in drawn.out, drawn.err
