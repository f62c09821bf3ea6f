"""A checkpoint and ledger of version 0.1 (before the modules moved) are continued; lineage ids are unchanged."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from orchestrator.stores.section.card_yaml import choose, load_card
from tests.conftest import PROJECT_ROOT
from tests.doubles.commands import orchestrate
from tests.doubles.real_section import QUICK_STEPS, make_real_project

FIXTURE = PROJECT_ROOT / "tests/fixtures/version_0_1.zip"
"""Ledger and newest checkpoint, written by version 0.1 with `run section_7_6 --quick` on `make_real_project`."""


@pytest.mark.parametrize(
    ("algorithm", "lineage"),
    [
        *(("DQN", "1d718dcf"), ("QRDQN", "47d6587e"), ("PPO", "ea3fa2a7")),
        *(("A2C", "910c930c"), ("SAC", "81a5abb6"), ("TD3", "a2117a5a")),
    ],
)
def test_lineage_ids_are_those_of_version_0_1(algorithm: str, lineage: str) -> None:
    card = load_card(PROJECT_ROOT / "configs/sections", "section_7_6")
    assert choose(card, algorithm=algorithm, seed=0).lineage.id.startswith(lineage)


def test_checkpoint_of_version_0_1_resumes_at_grade_statistical_with_reason(tmp_path: Path) -> None:
    root = make_real_project(tmp_path / "project")
    with zipfile.ZipFile(FIXTURE) as archive:
        archive.extractall(root)
    before = orchestrate(root, "status", "--json").json
    (row,) = (one for one in before["models"] if one["section"] == "section_7_6")
    (run,) = before["runs"]
    assert (row["steps"], run["steps_done"], run["end_reason"]) == (QUICK_STEPS, QUICK_STEPS, "finished")
    assert row["resume"]["grade"] == "statistical"
    assert [reason["reason"].split(":")[0] for reason in row["resume"]["reasons"]] == ["Code"]
    answer = orchestrate(root, "run", "section_7_6", "--quick", "--add-steps", "1000", "--json")
    summary = answer.json
    assert answer.code in (0, 1), answer.err  # 1: so short a training may not beat the baselines
    assert (summary["steps_start"], summary["steps_done"]) == (QUICK_STEPS, QUICK_STEPS + 1000)
    assert summary["lineage_id"] == run["lineage_id"] and summary["resume_grade"] == "statistical"
    assert any("code_digest" in reason or "Code" in reason for reason in summary["resume_reasons"])
