"""Worker processes that a user's own script forks end when the script ends them, and at no other time."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.doubles.own_script import run_script

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="fork")

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


def test_worker_processes_end_at_terminate_and_outlive_ctrl_c(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(WORKERS, encoding="utf-8")
    done = run_script(tmp_path)
    assert (done.returncode, done.stdout.split()) == (0, ["-15", "-15"]), done.stderr


AT_ONCE = """
import multiprocessing, os, signal, time
import orchestrator

if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    if hasattr(os, "sched_setaffinity"):  # on one core, a child has not run yet when its parent ends it
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    with orchestrator.session(target=1) as run:
        state = run.keep(total=0)
        for step in run.steps():
            state.total += 1
            for _ in range(5):
                child = multiprocessing.Process(target=time.sleep, args=(20,))
                child.start()
                child.terminate()
                child.join(10)
                print(child.exitcode)
        print(len(signal.pthread_sigmask(signal.SIG_BLOCK, ())))
"""


def test_worker_process_that_has_not_run_yet_ends_at_terminate(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(AT_ONCE, encoding="utf-8")
    done = run_script(tmp_path)
    assert (done.returncode, done.stdout.split()) == (0, [*["-15"] * 5, "0"]), done.stderr
