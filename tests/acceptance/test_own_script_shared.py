"""A user's own script that keeps one object under two names, or starts processes, ends with the same bytes."""

from __future__ import annotations

import sys
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


WORKERS = """
import multiprocessing, os, signal, time
import orchestrator

def worker(number):
    return number * number

def sleep(begun):
    begun.set()
    time.sleep(20)

if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    with orchestrator.session(target=2) as run:
        state = run.keep(total=0)
        for step in run.steps():
            with multiprocessing.Pool(2) as pool:
                state.total += sum(pool.map(worker, range(4)))
                if step == 0:
                    os.kill(multiprocessing.active_children()[0].pid, signal.SIGINT)
                    state.total += sum(pool.map(worker, range(4)))
            begun = multiprocessing.Event()
            sleeper = multiprocessing.Process(target=sleep, args=(begun,))
            sleeper.start()
            begun.wait()
            sleeper.terminate()
            sleeper.join(5)
            print(sleeper.exitcode)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="fork")
def test_worker_processes_end_at_terminate_and_outlive_ctrl_c(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(WORKERS, encoding="utf-8")
    done = run_script(tmp_path)
    assert (done.returncode, done.stdout.split()) == (0, ["-15", "-15"]), done.stderr
