"""Two sections whose names are equal in the names of their kernels: never confused, also after a lost ledger."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.commands import orchestrate
from tests.doubles.kaggle_side import KEY, USER, far_settings, loopback_variables
from tests.emulator.loopback import LoopbackKaggle, loopback_kaggle

ONE, OTHER = "section_7_7_robustness", "section_7_7_robust_to_noise"
SHARED = "arz-validation-section-7-7-rob-"
PROFILES = "{quick: {target_steps: 20, deadline_s: 60}, full: {target_steps: 40}}"
SCRIPT = """
import orchestrator

with orchestrator.session() as run:
    state = run.keep(total=0.0)
    for step in run.steps():
        state.total += %s
        run.report(step, score=state.total)
"""
CAMPAIGN = f"""
campaign: both
concurrency: 2
trials:
  one: {{section: {ONE}, profile: quick}}
  other: {{section: {OTHER}, profile: quick}}
"""


def _project(root: Path) -> Path:
    (root / "configs/sections").mkdir(parents=True)
    (root / "configs/campaigns").mkdir()
    for name, step in ((ONE, 1), (OTHER, 100)):
        (root / f"{name}.py").write_text(SCRIPT % step, encoding="utf-8")
        card = f"section: {name}\nscript: {name}.py\nprofiles: {PROFILES}\n"
        (root / f"configs/sections/{name}.yaml").write_text(card, encoding="utf-8")
    (root / "configs/campaigns/both.yaml").write_text(CAMPAIGN, encoding="utf-8")
    return root


def test_both_train_side_by_side_and_are_found_after_a_lost_ledger(tmp_path: Path) -> None:
    root = _project(tmp_path / "project")
    first = orchestrate(root, "campaign", "run", "both", "--every-s", "0.1", "--json")
    assert first.code == 0 and first.json["complete"], first.err
    boxes = sorted(path.parent.name for path in (root / ".orchestrator/local").glob("*/submitted.json"))
    assert len(boxes) == 2 and all(name.startswith(SHARED) for name in boxes)
    for path in (root / ".orchestrator").glob("ledger.sqlite*"):
        path.unlink()
    again = orchestrate(root, "campaign", "run", "both", "--every-s", "0.1", "--json")
    assert again.code == 0 and again.json["complete"], again.err
    assert sorted(path.parent.name for path in (root / ".orchestrator/local").glob("*/submitted.json")) == boxes
    for name, total in ((ONE, 20.0), (OTHER, 2000.0)):
        scores = orchestrate(root, "status", name, "--json")
        assert scores.code == 0 and str(total) in scores.out, scores.out


@pytest.fixture
def kaggle(tmp_path: Path) -> Iterator[LoopbackKaggle]:
    with loopback_kaggle(tmp_path / "kaggle", settings=far_settings()) as service:
        service.accounts.add(USER, key=KEY)
        yield service


@pytest.mark.prove
def test_an_empty_copy_finds_the_kernels_of_each_on_kaggle(tmp_path: Path, kaggle: LoopbackKaggle) -> None:
    template = _project(tmp_path / "template")
    words = ("campaign", "tick", "both", "--backend", "kaggle", "--json", "--recover")
    for number in range(4):
        copy = shutil.copytree(template, tmp_path / f"copy{number}")
        answer = orchestrate(copy, *words, **loopback_variables(), HOME=str(tmp_path))
        assert answer.code == 0, answer.err
        for kernel in list(kaggle.kernels.all.values()):
            assert kernel.ended.wait(120)
        if answer.json["over"]:
            break
    assert answer.json["complete"], answer.json
    pushes = [entry.request["slug"].rpartition("/")[2] for entry in kaggle.journal.of("SaveKernel")]
    assert len(pushes) == 2 and all(name.startswith(SHARED) and name.endswith("-s01") for name in pushes)
