"""`verify` of any section: it reads manifests and checkpoints, so a section need not print any line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.doubles.commands import orchestrate
from tests.doubles.second_section import add_second_section
from tests.doubles.toy_section import ENTRY, make_toy_project

CHECKS = [
    "card",
    "code",
    "checkpoints in place",
    "train, fetch, verify, restore",
    "next session resumes from it",
    "damage is detected",
]
OWN_SCRIPT = '''
"""A training with `orchestrator.session()`, which checks its own keys."""
import orchestrator
from orchestrator.kernel.outcome import Verdict


def run(context):
    with orchestrator.session() as run:
        state = run.keep(sum=0)
        for step in run.steps():
            state.sum += step
    return run.outcome(verdict=Verdict.SUPPORTED if run.finished else None)
'''

SCRIPT = """
import orchestrator

with orchestrator.session() as run:
    state = run.keep(sum=0)
    for step in run.steps():
        state.sum += step
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = make_toy_project(tmp_path / "project")
    add_second_section(root)
    return root


def test_sections_that_print_nothing_about_their_checkpoints_are_verified(project: Path) -> None:
    answer = orchestrate(project, "verify", "lake", "--json")
    assert answer.code == 0, answer.out + answer.err
    assert [check["name"] for check in answer.json["checks"]] == CHECKS
    assert "2000 -> 3000, grade exact" in answer.err
    (project / "validation_ch7/lake/entry.py").write_text(OWN_SCRIPT, encoding="utf-8")
    script = orchestrate(project, "verify", "lake", "--json")
    assert script.code == 0 and script.json["verified"], script.out + script.err


def test_a_script_without_a_target_is_verified(project: Path) -> None:
    (project / "train.py").write_text(SCRIPT, encoding="utf-8")
    card = "section: mine\nscript: train.py\n"
    (project / "configs/sections/mine.yaml").write_text(card, encoding="utf-8")
    answer = orchestrate(project, "verify", "mine", "--json")
    assert answer.code == 0 and answer.json["verified"], answer.out + answer.err
    assert "2000 -> 3000, grade exact" in answer.err


def test_without_a_name_every_section_is_verified(project: Path) -> None:
    answer = orchestrate(project, "verify", "--json")
    assert answer.code == 0, answer.out + answer.err
    expected = [f"{section}: {name}" for section in ("lake", "section_7_6") for name in CHECKS]
    assert [check["name"] for check in answer.json["checks"]] == expected


@pytest.mark.parametrize(
    ("right", "wrong", "detail"),
    [
        (
            "resumed_from=latest.digest if latest",
            "resumed_from=None if latest",
            "checkpoint_2000_steps as the checkpoint",
        ),
        ('resume_grade="exact" if latest', 'resume_grade="statistical" if latest', "the checkpoint promised exact"),
        ('resume_grade="exact" if latest', "resume_grade=None if latest", "the checkpoint promised exact"),
        ("steps = latest.steps if latest else 0", "steps = 0", "0 -> 3000"),
    ],
    ids=["no checkpoint named", "lower grade", "no grade", "started over"],
)
def test_a_section_that_does_not_resume_is_not_verified(project: Path, right: str, wrong: str, detail: str) -> None:
    assert right in ENTRY
    entry = project / "validation_ch7/section_7_6_rl_performance/entry.py"
    entry.write_text(ENTRY.replace(right, wrong), encoding="utf-8")
    answer = orchestrate(project, "verify", "section_7_6", "--json")
    assert answer.code == 1 and not answer.json["verified"]
    (failed,) = (check for check in answer.json["checks"] if check["name"] == "next session resumes from it")
    assert not failed["passed"] and detail in failed["detail"]
