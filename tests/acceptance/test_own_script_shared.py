"""A user's own script that keeps one object under two names, or starts processes, ends with the same bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

import orchestrator
from tests.doubles.own_script import checkpoint_bytes, run_script

BEST = """
import os, random, signal
import numpy as np
import orchestrator

with orchestrator.session(target=20, seed=3, save_every=4) as run:
    weights = np.zeros(3)
    state = run.keep(weights=weights, best=weights, rows=[], last=None)
    for step in run.steps():
        weights += np.random.normal(size=3)
        if weights.sum() > state.best.sum():
            state.best = weights.copy()
        if step % 5 == 0:
            state.last = weights.copy()
            state.rows.append(state.last)
        state.last += 1
        if os.environ.get("CUT") == str(step):
            os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.mark.parametrize("cut", [7, 12])
def test_best_weights_that_began_as_the_weights_survive_a_cut(tmp_path: Path, cut: int) -> None:
    for name in ("straight", "cut"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "train.py").write_text(BEST, encoding="utf-8")
    assert run_script(tmp_path / "straight").returncode == 0
    assert run_script(tmp_path / "cut", variables={"CUT": cut}).returncode == orchestrator.MORE_TO_DO
    done = run_script(tmp_path / "cut")
    assert done.returncode == 0 and "Resume is" not in done.stderr, done.stderr
    assert checkpoint_bytes(tmp_path / "cut", 20) == checkpoint_bytes(tmp_path / "straight", 20)
