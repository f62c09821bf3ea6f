"""Each algorithm and kind of state that a card can declare: cut in memory, by a stop, and by kill -9."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cut_trainings import CUT_STEPS, TARGET_STEPS, built, end_of, random_cuts, restored, saved, trained
from readings import latest_card, models_dir
from tiny_single import world_of
from tiny_world import HYPER_PARAMETERS, VARIANTS, bench, spec_of

from orchestrator.kernel.algorithms.registry import REGISTRY
from orchestrator.kernel.checkpoint.survey import find_latest_checkpoint
from orchestrator.sb3.loop import TrainingResult, train
from orchestrator.sb3.state.training_state_io import sections_of

ROOT = Path(__file__).parents[4]
DRIVER = Path(__file__).parents[1].joinpath("case_driver.py")
SEED = 20260202
CHANGES: dict[str, Any] = {"target_steps": TARGET_STEPS, "checkpoint_every_steps": 60, "evaluate_every_steps": 150}

every_case = pytest.mark.parametrize("case", [*VARIANTS])


@cache
def straight(case: str) -> dict[str, str]:
    """Digests at the end of a training that was never saved or loaded."""
    return end_of(trained(built(case)))


def session(working: Path, case: str, number: int, *, stop_at: int | None = None) -> TrainingResult:
    """Run a session after other programs have drawn from the global generators."""
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)
    test_bench = bench(working, spec_of(case, **CHANGES), session=number)

    def each_step(steps: int) -> None:
        if stop_at is not None and steps >= stop_at:
            test_bench.stop.request()

    try:
        return train(test_bench.context, test_bench.plan, world_of(case, each_step))
    finally:
        test_bench.context.reporter.close()


def test_every_algorithm_of_the_registry_is_tried() -> None:
    assert {*HYPER_PARAMETERS, *(name for name, _ in VARIANTS.values())} == set(REGISTRY)


@every_case
def test_a_restored_training_ends_in_the_same_state(case: str) -> None:
    model = trained(built(case), CUT_STEPS)
    assert {one.name for one in sections_of(model)} <= set(REGISTRY[VARIANTS[case][0]].sections)
    assert end_of(trained(restored(case, saved(model)))) == straight(case)


def _chain(working: Path, case: str) -> TrainingResult:
    done = 0
    for number, cut in enumerate(random_cuts(SEED, count=3, target_steps=TARGET_STEPS - 60), start=1):
        done = session(working, case, number, stop_at=max(1, cut - done)).training.steps
    return session(working, case, 4)


_IN_EVERY_TEST_RUN = ("ARS", "PPO gSDE", "SAC hindsight")
_CHAINS = [one if one in _IN_EVERY_TEST_RUN else pytest.param(one, marks=pytest.mark.prove) for one in VARIANTS]


@pytest.mark.parametrize("case", _CHAINS)
def test_a_chain_of_random_cuts_equals_the_straight_training(case: str, tmp_path: Path) -> None:
    finished = _chain(tmp_path, case)
    assert finished.training.grade is not None and finished.training.grade.grade == "exact"
    assert finished.training.model.num_timesteps >= TARGET_STEPS
    assert {ancestor.continued for ancestor in latest_card(tmp_path).ancestry} == {"exact"}
    assert end_of(finished.training.model) == straight(case)


@pytest.mark.prove
@every_case
def test_a_kill_at_any_time_does_not_change_the_result(case: str, tmp_path: Path) -> None:
    lines = random.Random(SEED).randrange(20, 70)
    assert killed_after(lines, tmp_path, case) < TARGET_STEPS
    assert end_of(session(tmp_path, case, 2).training.model) == straight(case)


def killed_after(lines: int, working: Path, case: str) -> int:
    """Kill a session after it has printed `lines` steps; return the steps of its newest checkpoint."""
    command = [sys.executable, str(DRIVER), str(working), case]
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


@pytest.mark.parametrize(
    ("case", "left_out"),
    [("PPO gSDE", "torch_rng"), ("SAC gSDE", "torch_rng"), ("SAC gSDE", "exploration_matrices")],
)
def test_what_learn_draws_before_the_boundary_is_restored_there(
    case: str, left_out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestrator.sb3 import loop

    restore: Callable[..., None] = loop.restore_sections

    def all_but_one(model: Any, tree: Any) -> None:
        restore(model, {name: part for name, part in tree.items() if name != left_out})

    monkeypatch.setattr(loop, "restore_sections", all_but_one)
    assert end_of(_chain(tmp_path, case).training.model)["policy"] != straight(case)["policy"]
