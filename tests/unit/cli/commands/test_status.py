"""What `status` shows of a models directory."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.cli.commands.status_models import model_lines


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [("PPO", "section_7_6 trial 504a253b (PPO, seed 1): 0 steps"), (None, "(nothing saved yet)")],
)
def test_a_trial_without_a_saved_algorithm_is_shown_without_none(algorithm: str | None, expected: str) -> None:
    row: dict[str, Any] = {
        "section": "section_7_6",
        "trial": "504a253b",
        "algorithm": algorithm,
        "seed": 1 if algorithm else None,
        "steps": 0,
        "resume": None,
        "lowest_grade": None,
        "checkpoints": [],
        "faults": {},
        "counts_steps": True,
        "profiles": {"quick": 100},
    }
    (line,) = model_lines([row])
    assert expected in line and "None" not in line
