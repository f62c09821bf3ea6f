"""What `status` says of a models directory."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.cli.commands.status import _model_lines


@pytest.mark.parametrize(
    ("algorithm", "told"), [("PPO", "section_7_6 trial 504a253b (PPO, seed 1): 0 steps"), (None, "(nothing saved yet)")]
)
def test_a_trial_that_flies_for_the_first_time_has_nothing_to_name_it_by(algorithm: str | None, told: str) -> None:
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
        "profiles": {"quick": 100},
    }
    (line,) = _model_lines([row])
    assert told in line and "None" not in line
