"""A temporary project with the real section 7.6 in small sizes."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
from filelock import FileLock

from tests.conftest import PROJECT_ROOT
from tests.doubles.commands import Answer, orchestrate
from tests.doubles.toy_section import read_card_file, write_card

QUICK_STEPS = 2_000


def make_real_project(root: Path) -> Path:
    """Copy code and card, with shorter episodes, fewer scenarios and an earlier start of learning."""
    unwanted = shutil.ignore_patterns("__pycache__", "data", "trials")
    for name in ("configs", "validation_ch7"):
        shutil.copytree(PROJECT_ROOT / name, root / name, ignore=unwanted)
    card = read_card_file(root)
    # A card is plain YAML.
    card["algorithms"]["DQN"] |= {"learning_starts": 200, "selection_scenarios": 4}  # type: ignore[operator]
    card["environment"] |= {"episode_s": 1200.0}  # type: ignore[operator]  # a card is plain YAML
    small = {"checkpoint_every_steps": 1_000, "evaluate_every_steps": 1_000, "evaluation_scenarios": 8}
    for profile in card["profiles"].values():  # type: ignore[attr-defined]  # a card is plain YAML
        profile |= small
    card["profiles"]["quick"]["target_steps"] = QUICK_STEPS  # type: ignore[index]  # a card is plain YAML
    write_card(root, card)
    return root


def quick_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Answer]:
    """A real project after `run section_7_6 --quick --json`, and the answer; copy it before you change it.

    It is made once in a test run, by the first worker that asks for it.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    root, kept = shared / "quick_run" / "project", shared / "quick_run" / "answer.json"
    with FileLock(shared / "quick_run.lock"):
        if not kept.exists():
            answer = orchestrate(make_real_project(root), "run", "section_7_6", "--quick", "--json", timeout_s=600.0)
            assert answer.code in (0, 1), answer.err  # 1: after 2000 steps the policy may be invalid
            assert answer.json["end_reason"] == "finished", answer.err
            kept.write_text(json.dumps(asdict(answer)), encoding="utf-8")
    return root, Answer(**json.loads(kept.read_text(encoding="utf-8")))
