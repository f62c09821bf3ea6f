"""The users' three scenarios on the real section; a chained training equals an uninterrupted one."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.commands import Answer, orchestrate
from tests.doubles.real_section import QUICK_STEPS, make_real_project, quick_run

MODELS = Path("validation_ch7/section_7_6_rl_performance/data/models")
RUN = ("run", "section_7_6", "--json")


def _manifest(root: Path, answer: Answer) -> dict[str, Any]:
    path = root / answer.json["results_dir"] / "session_manifest.json"
    plain: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return plain


@pytest.fixture(scope="module")
def quick_project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Answer]:
    """A project after its quick run, and the answer of that run."""
    return quick_run(tmp_path_factory)


@pytest.fixture
def project(quick_project: tuple[Path, Answer], tmp_path: Path) -> Path:
    """A copy of `quick_project` that a test may change."""
    return Path(shutil.copytree(quick_project[0], tmp_path / "project", symlinks=True))


def test_quick_run_trains(quick_project: tuple[Path, Answer]) -> None:
    root, answer = quick_project
    manifest = _manifest(root, answer)
    training = manifest["training"]
    assert answer.json["steps_done"] == QUICK_STEPS
    assert training["gradient_updates"] > 0
    assert training["policy_digest_before"] != training["policy_digest_after"]
    assert manifest["timings_s"]["wall"] < 120


def test_every_artifact_contains_its_session_nonce(quick_project: tuple[Path, Answer]) -> None:
    root, answer = quick_project
    data = root / answer.json["results_dir"] / "section_7_6_rl_performance/data"
    nonce = _manifest(root, answer)["stamp"]["nonce"]
    for path in [*data.rglob("*.json"), *data.rglob("*.csv")]:
        assert nonce in path.read_text(encoding="utf-8"), path.name
    assert list(data.parent.rglob("*.png"))


def test_comparison_table_includes_constant_and_random_control(quick_project: tuple[Path, Answer]) -> None:
    root, answer = quick_project
    metrics = root / answer.json["results_dir"] / "section_7_6_rl_performance/data/metrics"
    with (metrics / "rl_performance_comparison.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    names = " ".join(row["controller"] for row in rows)
    assert all(word in names for word in ("rl", "fixed_time", "constant", "random"))


def test_model_is_a_plain_sb3_file(quick_project: tuple[Path, Answer], tmp_path: Path) -> None:
    """`DQN.load` reads it in a process that cannot import this project."""
    root, _ = quick_project
    model = root / MODELS / f"checkpoints/traffic_light_control_checkpoint_{QUICK_STEPS}_steps.zip"
    code = f"from stable_baselines3 import DQN; print(DQN.load({str(model)!r}).num_timesteps)"
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == str(QUICK_STEPS), done.stderr


def test_inspect_describes_a_checkpoint(quick_project: tuple[Path, Answer]) -> None:
    root, _ = quick_project
    stem = f"{MODELS}/checkpoints/traffic_light_control_checkpoint_1000_steps"
    answer = orchestrate(root, "inspect", f"{stem}.zip", "--json")
    assert answer.code == 0, answer.err
    found = answer.json
    assert (found["model"]["algorithm"], found["model"]["network"]) == ("DQN", [64, 64])
    assert found["model"]["counters"]["steps"] == found["card"]["steps"] == 1000
    assert found["model"]["spaces"]["action"] == "Discrete(n=2, start=0)"
    assert (found["resume"]["grade"], found["lowest_grade"]) == ("exact", "exact")
    assert found["ancestry"]["confirmed_by"] == [f"traffic_light_control_checkpoint_{QUICK_STEPS}_steps"]
    assert found["model"]["executes"]["data:policy_class"] == ["stable_baselines3.dqn.policies.DQNPolicy"]
    assert found["model"]["strange"] == [] and found["model"]["sealed"] == {}


def test_scenario_1_quick_then_full_resumes_where_quick_ended(project: Path) -> None:
    answer = orchestrate(project, *RUN, "--target-steps", "3000")
    assert f"Loading checkpoint traffic_light_control_checkpoint_{QUICK_STEPS}_steps.zip" in answer.err
    summary = answer.json
    assert (summary["profile"], summary["steps_start"], summary["steps_done"]) == ("full", QUICK_STEPS, 3000)
    assert summary["resume_grade"] == "exact"
    assert summary["restored"][-1] == "traffic_light_control_checkpoint_3000_steps.zip"


@pytest.mark.prove
def test_scenario_2_raised_target_continues_the_same_training(project: Path, tmp_path: Path) -> None:
    """Two sessions in two processes end with the same policy bytes as one uninterrupted session."""
    chained = orchestrate(project, *RUN, "--quick", "--add-steps", "1000")
    straight_root = make_real_project(tmp_path / "straight")
    straight = orchestrate(straight_root, *RUN, "--quick", "--target-steps", "3000")
    assert (chained.json["steps_start"], straight.json["steps_start"]) == (QUICK_STEPS, 0)
    ends = [_manifest(project, chained)["training"], _manifest(straight_root, straight)["training"]]
    assert ends[0]["policy_digest_after"] == ends[1]["policy_digest_after"]
    assert ends[0]["gradient_updates"] == ends[1]["gradient_updates"]


@pytest.mark.prove
def test_scenario_3_fresh_start_by_hand_and_by_flag(project: Path) -> None:
    for path in (project / MODELS / "checkpoints").iterdir():
        path.unlink()
    by_hand = orchestrate(project, *RUN, "--quick", "--target-steps", "1000")
    assert "Starting fresh training" in by_hand.err
    assert (by_hand.json["steps_start"], by_hand.json["steps_done"]) == (0, 1000)
    by_flag = orchestrate(project, *RUN, "--quick", "--target-steps", "1000", "--fresh")
    assert (by_flag.json["steps_start"], by_flag.json["sessions"]) == (0, 1)
    digests = [_manifest(project, answer)["training"]["policy_digest_after"] for answer in (by_hand, by_flag)]
    assert digests[0] == digests[1]  # one lineage trained twice from step 0 gives the same policy


@pytest.mark.prove
def test_sessions_cut_by_their_deadline_are_chained_to_the_target(
    project: Path, quick_project: tuple[Path, Answer]
) -> None:
    """The deadline is short enough to cut the training and long enough for progress, also on a busy machine."""
    quick_s = _manifest(*quick_project)["timings_s"]["wall"]
    deadline_s = str(max(10.0, quick_s))
    for target in (40_000, 200_000):  # the second only where the quick run was slow and this session is fast
        words = (*RUN, "--quick", "--target-steps", str(target), "--deadline-s", deadline_s)
        answer = orchestrate(project, *words, timeout_s=max(300.0, 20.0 * quick_s))
        summary = answer.json
        assert (summary["steps_done"], summary["end_reason"]) == (target, "finished"), answer.err
        if summary["sessions"] > 1:
            break
    assert summary["sessions"] >= 2, answer.err
