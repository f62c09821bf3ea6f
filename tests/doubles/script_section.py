"""A project as a user has it: a card and a script, no package and no folder of sections."""

from __future__ import annotations

from pathlib import Path

CARD = """\
section: mine
script: train.py
"""

SCRIPT = """
import random

import orchestrator

with orchestrator.session() as run:
    state = run.keep(total=0.0)
    for step in run.steps():
        state.total += random.gauss(0, 1)
        run.report(step, score=-abs(state.total))
        if step == 39:
            run.finish()
print(f"total {state.total:.6f}")
"""


def make_script_project(root: Path, script: str = SCRIPT, card: str = CARD, path: str = "train.py") -> Path:
    """Write the card and the script; returns the project."""
    cards = root / "configs/sections"
    cards.mkdir(parents=True)
    (cards / "mine.yaml").write_text(card, encoding="utf-8")
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(script, encoding="utf-8")
    return root


def session_log(root: Path, session: int = 1) -> str:
    """The log of a fetched session."""
    (path,) = (root / "validation_output/results").glob(f"*-s{session:02d}/kernel.log")
    return path.read_text(encoding="utf-8")
