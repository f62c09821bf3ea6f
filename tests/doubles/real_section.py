"""A temporary project with the real section 7.6 in small sizes."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.conftest import PROJECT_ROOT
from tests.doubles.toy_section import read_card_file, write_card

QUICK_STEPS = 2_000


def make_real_project(root: Path) -> Path:
    """Copy code and card, with shorter episodes, fewer scenarios and an earlier start of learning."""
    unwanted = shutil.ignore_patterns("__pycache__", "data", "trials")
    for name in ("configs", "validation_ch7"):
        shutil.copytree(PROJECT_ROOT / name, root / name, ignore=unwanted)
    card = read_card_file(root)
    card["algorithms"]["DQN"] |= {"learning_starts": 200, "selection_scenarios": 4}  # type: ignore[operator]
    card["environment"] |= {"episode_s": 1200.0}  # type: ignore[operator]
    small = {"checkpoint_every_steps": 1_000, "evaluate_every_steps": 1_000, "evaluation_scenarios": 8}
    for profile in card["profiles"].values():  # type: ignore[attr-defined]
        profile |= small
    card["profiles"]["quick"]["target_steps"] = QUICK_STEPS  # type: ignore[index]
    write_card(root, card)
    return root
