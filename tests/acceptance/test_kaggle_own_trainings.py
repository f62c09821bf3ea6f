"""An agent of `init --env` and a single-file PPO: two sessions on the loopback Kaggle end as two here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import PROJECT_ROOT
from tests.doubles.commands import orchestrate
from tests.doubles.kaggle_side import KEY, USER, far_settings, loopback_variables
from tests.doubles.script_section import make_script_project
from tests.emulator.loopback import loopback_kaggle
from tests.marks import first_cases

PPO = (PROJECT_ROOT / "tests/fixtures/own_scripts/ppo.py").read_text(encoding="utf-8")
CARD = """\
section: mine
script: ppo.py
seed: 1
profiles:
  quick: {target_steps: 512}
  full: {target_steps: 1024}
"""


def _agent(root: Path) -> Path:
    root.mkdir()
    made = orchestrate(root, "init", ".", "--env", "CartPole-v1", "--section", "mine")
    assert made.code == 0, made.err
    return root


def _single_file(root: Path) -> Path:
    return make_script_project(root, PPO, CARD, "ppo.py")


@pytest.mark.prove
@pytest.mark.parametrize(("make", "quick", "full"), first_cases(1, [(_single_file, 512, 1024), (_agent, 2048, 4096)]))
def test_two_sessions_on_kaggle_end_with_the_bytes_of_two_here(
    tmp_path: Path, make: Callable[[Path], Path], quick: int, full: int
) -> None:
    here, far = make(tmp_path / "here"), make(tmp_path / "far")
    words = ("run", "mine", "--quick", "--json", "--target-steps")
    for target in (quick, full):
        answer = orchestrate(here, *words, str(target))
        assert (answer.code, answer.json["steps_done"]) == (0, target), answer.err
    with loopback_kaggle(tmp_path / "kaggle", settings=far_settings()) as kaggle:
        kaggle.accounts.add(USER, key=KEY)
        for target in (quick, full):
            answer = orchestrate(far, *words, str(target), "--backend", "kaggle", **loopback_variables())
            assert (answer.code, answer.json["steps_done"]) == (0, target), answer.err
        assert (answer.json["steps_start"], answer.json["resume_grade"]) == (quick, "exact"), answer.err
        assert kaggle.kernels.runs == 2
    checkpoint = f"validation_ch7/mine/data/models/checkpoints/mine_checkpoint_{full}_steps"
    for suffix in (".zip", ".state.npz"):
        assert (here / (checkpoint + suffix)).read_bytes() == (far / (checkpoint + suffix)).read_bytes()
