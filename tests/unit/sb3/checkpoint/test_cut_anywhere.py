"""Cut anywhere, by a stop or by kill -9: the chain ends where a training ends that never saved or loaded anything."""

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


def only_proving_others_than(*often: str) -> list[Any]:
    return [name if name in often else pytest.param(name, marks=pytest.mark.prove) for name in ALGORITHMS]


in_every_test_run = pytest.mark.parametrize("algorithm", only_proving_others_than("A2C", "SAC", "TD3"))


@cache
def straight(algorithm: str) -> dict[str, str]:
    return end_of(trained(built(algorithm), TARGET_STEPS))


def session(working: Path, algorithm: str, number: int, *, stop_at: int | None = None) -> TrainingResult:
    """A session after other programs have drawn from the global generators."""
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)
    spec = spec_of(algorithm, target_steps=TARGET_STEPS, checkpoint_every_steps=60, evaluate_every_steps=200)
    outside = bench(working, spec, session=number)
    try:
        return train(outside.context, outside.plan, tiny_world(at_steps=stop_at, act=outside.stop.request))
    finally:
        outside.context.reporter.close()


@in_every_test_run
def test_a_chain_of_random_cuts_ends_where_the_straight_training_ends(algorithm: str, tmp_path: Path) -> None:
    done = 0
    for number, cut in enumerate(random_cuts(SEED, count=4, target_steps=TARGET_STEPS), start=1):
        stopped = session(tmp_path, algorithm, number, stop_at=max(1, cut - done))
        done = stopped.training.steps
        assert 0 < done <= TARGET_STEPS
    finished = session(tmp_path, algorithm, 5)
    assert finished.training.steps == TARGET_STEPS
    assert finished.training.grade is not None and finished.training.grade.grade == "exact"
    assert end_of(finished.training.model) == straight(algorithm)


@pytest.mark.parametrize("algorithm", only_proving_others_than("SAC"))
def test_a_kill_at_any_instant_costs_steps_and_changes_nothing(algorithm: str, tmp_path: Path) -> None:
    lines = random.Random(SEED).randrange(40, 150)
    print(f"killed when it has told of {lines} steps of the environment, with seed {SEED}")
    assert killed_after(lines, tmp_path, algorithm) < TARGET_STEPS
    finished = session(tmp_path, algorithm, 2)
    assert finished.training.steps == TARGET_STEPS
    assert end_of(finished.training.model) == straight(algorithm)


def killed_after(lines: int, working: Path, algorithm: str) -> int:
    """Kill a session, wherever it stands when it has told that much, and say what its newest checkpoint holds."""
    command = [sys.executable, "-W", "error", str(DRIVER), str(working), algorithm, str(TARGET_STEPS)]
    environment = {"PYTHONPATH": f"{ROOT}:{DRIVER.parent}", "PATH": "/usr/bin:/bin"}
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
def test_a_raised_target_moves_no_schedule(algorithm: str) -> None:
    """In one go, or by way of a lower target: the same learning rates, so the same weights."""
    raised: Any = trained(trained(built(algorithm), 320), TARGET_STEPS)
    assert end_of(raised) == straight(algorithm)
    # It is a function of the step that the card declares, 5e-3 to 1e-3 over 3000 steps, as of the newest rollout.
    rate = raised.lr_schedule(raised._current_progress_remaining)
    assert rate == pytest.approx(5e-3 - (5e-3 - 1e-3) * TARGET_STEPS / 3000)


def test_the_newest_checkpoint_of_a_killed_session_is_a_whole_one(tmp_path: Path) -> None:
    session(tmp_path, "TD3", 1, stop_at=200)
    card = latest_card(tmp_path)
    (models_dir(tmp_path) / "checkpoints" / ".partial-x.zip").write_bytes(b"a write that was killed")
    assert session(tmp_path, "TD3", 2).training.resumed_from == card
