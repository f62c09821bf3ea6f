"""A numpy loop of a typical user: alone, proven, as a section here and on Kaggle, always with the same numbers."""

from __future__ import annotations

import re
from pathlib import Path

import orchestrator
from tests.conftest import PROJECT_ROOT
from tests.doubles.commands import orchestrate
from tests.doubles.kaggle_side import KEY, USER, far_settings, loopback_variables
from tests.doubles.own_script import checkpoint_bytes, run_script
from tests.doubles.script_section import make_script_project, session_log
from tests.emulator.loopback import loopback_kaggle

SCRIPT = (PROJECT_ROOT / "tests/fixtures/q_learning.py").read_text(encoding="utf-8")
CARD = """\
section: mine
script: q_learning.py
seed: 1
profiles:
  quick: {target_steps: 1500}
  full: {target_steps: 4000}
"""
CHECKPOINT = "validation_ch7/mine/data/models/checkpoints/mine_checkpoint_4000_steps"


def _alone(tmp_path: Path, name: str = "alone") -> Path:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "q_learning.py").write_text(SCRIPT, encoding="utf-8")
    return folder


def _result(tmp_path: Path) -> str:
    """What the script prints after a training without a stop."""
    done = run_script(_alone(tmp_path), name="q_learning.py")
    assert done.returncode == 0, done.stderr
    assert "Finished: 4000 steps; results are in " in done.stderr
    return done.stdout


def test_the_user_adds_few_lines() -> None:
    ours = [line for line in SCRIPT.splitlines() if re.search(r"\borchestrator\b|\brun\.", line)]
    assert len(ours) == 9 and len(SCRIPT.splitlines()) == 39
    (keep,) = [line for line in ours if "run.keep(" in line]
    assert len(re.findall(r"\w+=", keep)) == 6


def test_it_learns_and_resumes_with_the_same_bytes(tmp_path: Path) -> None:
    whole = _result(tmp_path)
    wins, episodes = map(int, re.findall(r"\d+", whole)[:2])
    assert wins > 0.5 * episodes > 100
    cut = _alone(tmp_path, "cut")
    for _ in range(3):
        ended = run_script(cut, name="q_learning.py", variables={"ORCHESTRATOR_DEADLINE_S": 0.01})
        assert ended.returncode == orchestrator.MORE_TO_DO and "Finished" not in ended.stderr, ended.stderr
    assert run_script(cut, name="q_learning.py").stdout == whole
    bytes_of = [checkpoint_bytes(tmp_path / name, 4000, "q_learning") for name in ("alone", "cut")]
    assert bytes_of[0] == bytes_of[1]


def test_it_is_proven_and_a_lost_generator_is_named(tmp_path: Path) -> None:
    folder = _alone(tmp_path)
    proved = orchestrate(folder, "prove", "q_learning.py", "--cuts", "3")
    assert proved.code == 0 and "EXACT: with 3 cuts in 4000 steps" in proved.out, proved.err
    assert "](.orchestrator/proofs/q_learning-" in proved.out  # the picture's path fits a README in this folder
    (folder / "q_learning.py").write_text(SCRIPT.replace("keep(rng=rng, ", "keep("), encoding="utf-8")
    lost = orchestrate(folder, "prove", "q_learning.py", "--cuts", "3")
    assert lost.code == 1 and "random generator that is not kept: rng (q_learning.py, line 21)" in lost.out, lost


def test_it_is_a_section_here_and_on_kaggle(tmp_path: Path) -> None:
    result = _result(tmp_path)
    here, far = (make_script_project(tmp_path / name, SCRIPT, CARD, "q_learning.py") for name in ("here", "far"))
    words = ("run", "mine", "--json")
    assert orchestrate(here, *words, "--quick").json["steps_done"] == 1500
    done = orchestrate(here, *words)
    assert (done.code, done.json["steps_start"], done.json["resume_grade"]) == (0, 1500, "exact"), done.err
    with loopback_kaggle(tmp_path / "kaggle", settings=far_settings()) as kaggle:
        kaggle.accounts.add(USER, key=KEY)
        on_kaggle = ("--backend", "kaggle")
        first = orchestrate(far, *words, "--quick", *on_kaggle, **loopback_variables())
        assert (first.code, first.json["steps_done"]) == (0, 1500), first.err
        second = orchestrate(far, *words, *on_kaggle, **loopback_variables())
        assert (second.code, second.json["steps_start"], second.json["resume_grade"]) == (0, 1500, "exact"), second.err
        assert kaggle.kernels.runs == 2
    # As alone: the same line at the end, and the same bytes in both places.
    logs = [path.read_text(encoding="utf-8") for path in tmp_path.glob("*/validation_output/results/*/kernel.log")]
    assert sum(result.strip() in log for log in logs) == 2, logs
    assert result.strip() not in session_log(here, 1)
    for suffix in (".zip", ".state.npz"):
        assert (here / (CHECKPOINT + suffix)).read_bytes() == (far / (CHECKPOINT + suffix)).read_bytes()
