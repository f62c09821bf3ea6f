"""A training cut anywhere, by a stop or by kill -9, ends in the same state as one that never saved or loaded."""

import os
import random
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cut_trainings import ALGORITHMS, built, end_of, random_cuts, trained
from readings import latest_card, models_dir
from tiny_world import bench, spec_of, tiny_world

from orchestrator.kernel.checkpoint.survey import find_latest_checkpoint
from orchestrator.sb3.loop import TrainingResult, train

ROOT = Path(__file__).parents[4]
DRIVER = Path(__file__).parents[1].joinpath("talking_driver.py")
TARGET_STEPS = 640
SEED = 20260101


def others_marked_prove(*unmarked: str) -> list[Any]:
    return [name if name in unmarked else pytest.param(name, marks=pytest.mark.prove) for name in ALGORITHMS]


in_every_test_run = pytest.mark.parametrize("algorithm", others_marked_prove("A2C", "SAC", "TD3"))


@cache
def straight(algorithm: str) -> dict[str, str]:
    return end_of(trained(built(algorithm), TARGET_STEPS))


def session(working: Path, algorithm: str, number: int, *, stop_at: int | None = None) -> TrainingResult:
    """Run a session after other programs have drawn from the global generators."""
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)
    spec = spec_of(algorithm, target_steps=TARGET_STEPS, checkpoint_every_steps=60, evaluate_every_steps=200)
    test_bench = bench(working, spec, session=number)
    try:
        return train(test_bench.context, test_bench.plan, tiny_world(at_steps=stop_at, act=test_bench.stop.request))
    finally:
        test_bench.context.reporter.close()


@in_every_test_run
def test_a_chain_of_random_cuts_equals_the_straight_training(algorithm: str, tmp_path: Path) -> None:
    done = 0
    for number, cut in enumerate(random_cuts(SEED, count=4, target_steps=TARGET_STEPS), start=1):
        stopped = session(tmp_path, algorithm, number, stop_at=max(1, cut - done))
        done = stopped.training.steps
        assert 0 < done <= TARGET_STEPS
    finished = session(tmp_path, algorithm, 5)
    assert finished.training.steps == TARGET_STEPS
    assert finished.training.grade is not None and finished.training.grade.grade == "exact"
    assert end_of(finished.training.model) == straight(algorithm)


@pytest.mark.parametrize("algorithm", others_marked_prove("SAC"))
def test_a_kill_at_any_time_does_not_change_the_result(algorithm: str, tmp_path: Path) -> None:
    lines = random.Random(SEED).randrange(40, 150)
    print(f"killed after {lines} steps of the environment, with seed {SEED}")
    assert killed_after(lines, tmp_path, algorithm) < TARGET_STEPS
    finished = session(tmp_path, algorithm, 2)
    assert finished.training.steps == TARGET_STEPS
    assert end_of(finished.training.model) == straight(algorithm)


def killed_after(lines: int, working: Path, algorithm: str) -> int:
    """Kill a session after it has printed `lines` steps; return the steps of its newest checkpoint."""
    command = [sys.executable, "-W", "error", str(DRIVER), str(working), algorithm, str(TARGET_STEPS)]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{DRIVER.parent}"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT) as process:
        assert process.stdout is not None
        for _ in range(lines):
            assert process.stdout.readline() == "step\n"
        process.kill()
        process.wait()
    assert process.returncode == -9
    found = find_latest_checkpoint(models_dir(working), "traffic_light_control")
    return 0 if found is None else found.steps


@in_every_test_run
def test_raising_the_target_does_not_change_the_schedules(algorithm: str) -> None:
    """Trained at once or by way of a lower target: the same learning rates, hence the same weights."""
    raised: Any = trained(trained(built(algorithm), 320), TARGET_STEPS)
    assert end_of(raised) == straight(algorithm)
    # The declared schedule, 5e-3 to 1e-3 over 3000 steps, at the step of the newest rollout.
    rate = raised.lr_schedule(raised._current_progress_remaining)
    assert rate == pytest.approx(5e-3 - (5e-3 - 1e-3) * TARGET_STEPS / 3000)


def test_a_partial_file_of_a_killed_write_is_ignored(tmp_path: Path) -> None:
    session(tmp_path, "TD3", 1, stop_at=200)
    card = latest_card(tmp_path)
    (models_dir(tmp_path) / "checkpoints" / ".partial-x.zip").write_bytes(b"a write that was killed")
    assert session(tmp_path, "TD3", 2).training.resumed_from == card
