"""The rows that `make prove-algorithms` and `make bench-resume` print."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.bench.resume.__main__ import compared
from tests.bench.resume.ways import Way
from tests.proofs.__main__ import conclusion, line, main
from tests.proofs.proving import Case, Proven
from tests.proofs.train import BUILDERS

CASE = Case(algorithm="PPO", environment="CartPole-v1", steps=400, cuts=2, kills=1, seed=5)
FOUND: dict[str, Any] = {
    "grade": "exact",
    "steps": 448,
    "cuts": [192, 320],
    "kills": 1,
    "first_difference": None,
    "not_kept": [],
}
EXACT = Proven(case=CASE, found=FOUND, policies=("ab" * 32, "ab" * 32), message="", seconds=31.6)


def test_thirteen_algorithms_have_two_environments_each() -> None:
    names = [name for name, _ in BUILDERS]
    assert {name: names.count(name) for name in names} == dict.fromkeys(
        [
            *("PPO", "A2C", "DQN", "DDPG", "SAC", "TD3", "QRDQN", "TQC", "TRPO", "ARS", "RecurrentPPO"),
            *("MaskablePPO", "CrossQ"),
        ],
        2,
    )


def test_row_of_an_exact_resume() -> None:
    assert EXACT.is_exact
    assert EXACT.row() == (*("PPO", "CartPole-v1", "448", "3", "192, 320", "1", "exact", "yes, abababab", "", "32"),)
    assert conclusion([EXACT]) == "1 of 1 trainings resume exactly"


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"found": {**FOUND, "grade": "statistical", "not_kept": ["Env.core: opaque"]}}, "not kept: Env.core: opaque"),
        (
            {
                "found": {
                    **FOUND,
                    "grade": "statistical",
                    "first_difference": {"part": "environment of the model", "step": 200, "resumed_at": 192},
                }
            },
            "environment of the model, at step 200, after the cut at 192",
        ),
        (
            {"found": {**FOUND, "first_difference": {"part": "policy", "step": None, "resumed_at": None}}},
            "policy, at the end",
        ),
        ({"found": {}, "policies": (), "message": "it failed"}, "it failed"),
    ],
    ids=["not-kept", "boundary", "end", "failed"],
)
def test_row_that_is_not_exact_names_the_first_difference(changes: dict[str, Any], difference: str) -> None:
    other = replace(EXACT, **{"policies": ("a", "b"), **changes})
    assert not other.is_exact and other.difference() == difference
    assert conclusion([EXACT, other]).endswith("1 of 2 trainings resume exactly; not exact: PPO in CartPole-v1")


def test_equal_policies_do_not_hide_another_difference() -> None:
    assert not replace(EXACT, found={**FOUND, "grade": "statistical"}).is_exact
    assert not replace(EXACT, policies=("ab" * 32,)).is_exact


def test_unknown_algorithm_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["Dreamer"])
    assert refused.value.code == 2 and "unknown: Dreamer" in capsys.readouterr().err
    assert main(["PPO", "--env", "Hopper-v5"]) == 2
    assert line(["a|b", "c"]) == "| a/b | c |"


def test_missing_peer_has_a_row_that_says_so(tmp_path: Path) -> None:
    cells, equal = compared(Way(name="none", method="zoo", environment="no_such_peer"), "DQN", tmp_path)
    assert cells.startswith("not installed: make bench-peers") and not equal
