"""Section 7.7 through the commands: without a policy, with a policy that comes later, cut, and on Kaggle."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.stores.section.card_yaml import load_card
from orchestrator.stores.session.code_bundle import CodeStore
from tests.conftest import PROJECT_ROOT
from tests.doubles.best_models import make_best_model
from tests.doubles.commands import Answer, orchestrate
from tests.doubles.kaggle_side import KEY, USER, far_settings, loopback_variables, point_at_loopback
from tests.emulator.loopback import LoopbackKaggle, loopback_kaggle

RUN = ("run", "section_7_7", "--quick", "--json")
POLICIES = "validation_ch7/section_7_7_robustness/policies"
COLLECT = "validation_ch7.section_7_7_robustness.collect"


def make_project(root: Path, *, small: bool = True) -> Path:
    """A copy of the project; small: two hours of ten minutes under three conditions."""
    unwanted = shutil.ignore_patterns("__pycache__", "data", "trials")
    for name in ("configs", "validation_ch7"):
        shutil.copytree(PROJECT_ROOT / name, root / name, ignore=unwanted)
    for folder in (root / POLICIES).iterdir():
        if folder.is_dir():
            shutil.rmtree(folder)
    if small:
        path = root / "configs/sections/section_7_7.yaml"
        card: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        card["environment"]["episode_s"] = 600.0
        families = {"detector_noise": [0.4], "lane_blocked": [0.75]}
        card["study"] |= {"families": {name: families for name in ("quick", "full")}, "tuning_scenarios": 1}
        card["study"]["controllers"]["quick"] = ["actuated", "fixed_time"]
        card["profiles"]["quick"]["evaluation_scenarios"] = 2
        path.write_text(yaml.safe_dump(card, sort_keys=False), encoding="utf-8")
    return root


def add_policy(root: Path, seed: int = 0) -> str:
    """Leave a best model where section 7.6 does, and collect it with the command."""
    digest = make_best_model(root / "validation_ch7/section_7_6_rl_performance/data/models", seed=seed)
    done = subprocess.run([sys.executable, "-m", COLLECT], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and digest[:12] in done.stdout, done.stderr
    return digest


def numbers(root: Path, answer: Answer) -> list[tuple[str, ...]]:
    path = root / answer.json["results_dir"] / "section_7_7_robustness/data/metrics/robustness_hours.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        return [
            (row["family"], row["controller"], row["hour"], row["delay_s_per_veh"]) for row in csv.DictReader(stream)
        ]


def test_the_policies_travel_and_nothing_of_other_sections_does(tmp_path: Path) -> None:
    root = make_project(tmp_path / "project")
    bundled = CodeStore(root).bundle(load_card(root / "configs/sections", "section_7_7"))
    assert f"{POLICIES}/README.txt" in bundled.names
    assert "validation_ch7/section_7_6_rl_performance/controllers/policy.py" in bundled.names
    assert not [name for name in bundled.names if "section_7_3" in name or name.endswith(".zip")]
    digest = make_best_model(tmp_path / "models")
    folder = root / POLICIES / digest[:12]
    folder.mkdir()
    (folder / "policy.zip").write_bytes(b"weights")
    again = CodeStore(root).bundle(load_card(root / "configs/sections", "section_7_7"))
    assert f"{POLICIES}/{digest[:12]}/policy.zip" in again.names and again.digest != bundled.digest
    other = load_card(root / "configs/sections", "section_7_6")
    assert not [name for name in CodeStore(root).bundle(other).names if "section_7_7" in name]


@pytest.mark.prove
def test_it_runs_without_a_policy_and_again_when_there_is_one(tmp_path: Path) -> None:
    root = make_project(tmp_path / "project")
    first = orchestrate(root, *RUN)
    assert first.code == 0, first.err
    assert (first.json["end_reason"], first.json["verdict"], first.json["problems"]) == ("finished", "inconclusive", [])
    assert f"python -m {COLLECT}" in first.json["verdict_reasons"][0]
    digest = add_policy(root)
    second = orchestrate(root, *RUN)
    assert second.code in (0, 1) and second.json["end_reason"] == "finished", second.err
    assert second.json["verdict_reasons"][0].startswith("1 trained policy in 3 conditions of 2 hours each")
    before = numbers(root, first)
    assert [row for row in numbers(root, second) if not row[1].startswith("rl")] == before
    content = json.loads(next((root / second.json["results_dir"]).rglob("robustness.json")).read_text("utf-8"))
    assert [one["policy_digest"] for one in content["policies"].values()] == [digest]
    again = orchestrate(root, *RUN)
    assert again.json["sessions"] == 0, "the same policies are not evaluated again"
    for command in ("status", "why"):
        assert orchestrate(root, command, "section_7_7").code == 0
    report = orchestrate(root, "report", "section_7_7")
    assert report.code == 0, report.err


@pytest.mark.prove
def test_the_shipped_quick_profile_ends_and_its_figures_are_there(tmp_path: Path) -> None:
    root = make_project(tmp_path / "project", small=False)
    add_policy(root)
    answer = orchestrate(root, *RUN, timeout_s=600.0)
    assert answer.json["end_reason"] == "finished", answer.err
    folder = root / answer.json["results_dir"]
    assert {path.name for path in folder.rglob("*.png")} == {"fig_degradation_ratio.png", "fig_degradation_delay.png"}
    families = {row[0] for row in numbers(root, answer)}
    assert families == {"nominal", *load_card(root / "configs/sections", "section_7_7").own.study.families["quick"]}


@pytest.mark.prove
def test_sessions_that_are_cut_by_the_deadline_continue(tmp_path: Path) -> None:
    root, whole = make_project(tmp_path / "project", small=False), make_project(tmp_path / "whole", small=False)
    path = root / "configs/sections/section_7_7.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("deadline_s: 600.0", "deadline_s: 40.0"), encoding="utf-8")
    answer = orchestrate(root, *RUN, timeout_s=900.0)
    assert (answer.json["end_reason"], answer.json["verdict"]) == ("finished", "inconclusive"), answer.err
    assert answer.json["sessions"] > 1
    assert numbers(root, answer) == numbers(whole, orchestrate(whole, *RUN, timeout_s=600.0))


@pytest.fixture
def kaggle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackKaggle]:
    point_at_loopback(monkeypatch)
    with loopback_kaggle(tmp_path / "kaggle", settings=far_settings()) as service:
        service.accounts.add(USER, key=KEY)
        yield service


@pytest.mark.prove
def test_kaggle_evaluates_the_same_policy_with_the_same_numbers(kaggle: LoopbackKaggle, tmp_path: Path) -> None:
    root, local_root = make_project(tmp_path / "project"), make_project(tmp_path / "local")
    digests = [add_policy(one) for one in (root, local_root)]
    assert digests[0] == digests[1]
    remote = orchestrate(root, *RUN, "--backend", "kaggle", **loopback_variables())
    assert (remote.json["end_reason"], remote.json["problems"]) == ("finished", []), remote.err
    assert numbers(root, remote) == numbers(local_root, orchestrate(local_root, *RUN))
