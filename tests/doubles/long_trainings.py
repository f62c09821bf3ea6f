"""The two trainings that each engine carries to their targets: a user's project with CartPole, and section 7.6."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import PROJECT_ROOT
from tests.doubles.commands import orchestrate

DEADLINE_S = 32_400.0
"""So late that the wall of a test always comes before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LongTraining:
    """A training in a project of its own.

    Attributes:
        quick: What differs in its profile `quick`.
        make: Writes the project into a folder that does not exist yet.
        code: The file of it that trains.
        target_steps: Of its profile `quick`.
        models: Folder of its checkpoints.
        final: Names of the files in it that hold the trained model.
        looks: Looks after which a session leaves.
        middle: Look of the second session at which it waits.
        saved_steps: Steps of the newest checkpoint when it waits there.
    """

    section: str
    quick: Mapping[str, float]
    make: Callable[[Path], None]
    code: str
    target_steps: int
    models: str
    final: tuple[str, ...]
    looks: int
    middle: int
    saved_steps: int

    def project(self, root: Path, card: Mapping[str, Any]) -> Path:
        """Write the project, with more in its card."""
        self.make(root)
        path = root / f"configs/sections/{self.section}.yaml"
        plain = yaml.safe_load(path.read_text("utf-8")) | dict(card)
        plain["profiles"]["quick"] |= self.quick
        path.write_text(yaml.safe_dump(plain), "utf-8")
        return root


def _make_cartpole(root: Path) -> None:
    root.mkdir()
    made = orchestrate(root, "init", ".", "--env", "CartPole-v1", "--section", "cartpole")
    assert made.code == 0, made.err


def _make_section_7_6(root: Path) -> None:
    unwanted = shutil.ignore_patterns("__pycache__", "data", "trials")
    for name in ("configs", "validation_ch7"):
        shutil.copytree(PROJECT_ROOT / name, root / name, ignore=unwanted)


CARTPOLE = LongTraining(
    section="cartpole",
    quick={"checkpoint_every_steps": 2048, "deadline_s": DEADLINE_S},  # else it saves by time, first after minutes
    make=_make_cartpole,
    code="train.py",
    target_steps=20_480,  # whole rollouts of 2048 steps
    models="validation_ch7/cartpole/data/models",
    final=("checkpoints/cartpole_checkpoint_20480_steps.zip", "checkpoints/cartpole_checkpoint_20480_steps.kept.zip"),
    looks=3,
    middle=3,
    saved_steps=8_192,
)

SECTION_7_6 = LongTraining(
    section="section_7_6",
    quick={"target_steps": 30_000, "evaluation_scenarios": 10, "deadline_s": DEADLINE_S},
    make=_make_section_7_6,
    code="validation_ch7/section_7_6_rl_performance/entry.py",
    target_steps=30_000,
    models="validation_ch7/section_7_6_rl_performance/data/models",
    final=("traffic_light_control_final.zip", "best_model/best_model.zip"),
    looks=800,  # two for each 20 steps
    middle=300,
    saved_steps=10_000,
)
