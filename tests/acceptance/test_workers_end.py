"""Processes that a training has started end with it, also after a kill -9 of the training."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.doubles.commands import orchestrate
from tests.doubles.own_script import run_script, script_environment, start_script
from tests.doubles.processes import is_running, living_after
from tests.doubles.script_section import make_script_project

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

WORKERS = """
import multiprocessing, os, sys, threading, time
import orchestrator

def serve(pipe, theirs):
    theirs.close()
    os.close(1)
    os.close(2)
    pipe.recv()  # without end: the other workers hold the other end of this pipe, too

def start(count, started):
    for _ in range(count):
        ours, theirs = fork.Pipe()
        worker = fork.Process(target=serve, args=(theirs, ours), daemon=True)
        worker.start()
        started.append((worker, ours))

if __name__ == "__main__":
    fork = multiprocessing.get_context("fork")
    started = []
    with orchestrator.session(target=4) as run:
        if sys.argv[1:] == ["thread"]:
            thread = threading.Thread(target=start, args=(3, started))
            thread.start()
            thread.join()
            time.sleep(0.2)
        else:
            start(3, started)
        print(*(worker.pid for worker, _ in started if worker.is_alive()), flush=True)
        time.sleep(60)
"""


def _first_line(command: subprocess.Popen[str]) -> list[int]:
    assert command.stdout is not None
    return [int(word) for word in command.stdout.readline().split()]


@pytest.mark.parametrize("by", ["main", "thread"])
def test_forked_workers_end_with_a_killed_script(tmp_path: Path, by: str) -> None:
    text = WORKERS.replace('sys.argv[1:] == ["thread"]', str(by == "thread"))
    (tmp_path / "train.py").write_text(text, encoding="utf-8")
    with start_script(tmp_path) as command:
        workers = _first_line(command)
        assert len(workers) == 3 and all(is_running(one) for one in workers)  # also after the thread has ended
        command.kill()
    assert not living_after(20, workers)


ENVIRONMENTS = """
import time
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import SubprocVecEnv
import orchestrator

def started():
    return make_vec_env("CartPole-v1", 2, vec_env_cls=SubprocVecEnv, vec_env_kwargs={"start_method": "fork"})

if __name__ == "__main__":
    env = started() if EARLY else None
    with orchestrator.session(target=1_000_000) as run:
        env = env or started()
        run.keep(env=env)
        for step in run.steps():
            print(*(one.pid for one in env.processes), flush=True)
            time.sleep(60)
"""


@pytest.mark.parametrize("early", [True, pytest.param(False, marks=pytest.mark.prove)])
def test_environments_in_processes_end_with_a_killed_script(tmp_path: Path, early: bool) -> None:
    (tmp_path / "train.py").write_text(ENVIRONMENTS.replace("EARLY", str(early)), encoding="utf-8")
    with start_script(tmp_path) as command:
        workers = _first_line(command)
        assert len(workers) == 2 and all(is_running(one) for one in workers)
        command.kill()
    assert not living_after(20, workers)


PROGRAM = """
import orchestrator
with orchestrator.session() as run:
    run.program(["sh", "train.sh"])
"""


def test_a_program_and_its_children_end_with_a_killed_script(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(PROGRAM, encoding="utf-8")
    (tmp_path / "train.sh").write_text("sleep 60 > /dev/null 2>&1 &\necho $$ $!\nwait\n", encoding="utf-8")
    with start_script(tmp_path) as command:
        processes = _first_line(command)
        command.kill()
        assert not living_after(20, processes)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_script_and_its_workers_end_with_a_killed_proof(tmp_path: Path, number: int) -> None:
    text = WORKERS.replace('sys.argv[1:] == ["thread"]', "False")
    text = text.replace("print(*(", 'open("started.txt", "w").write(" ".join(str(one) for one in (os.getpid(), *(')
    text = text.replace("if worker.is_alive()), flush=True)", "if worker.is_alive()))))")
    (tmp_path / "train.py").write_text(text, encoding="utf-8")
    here = tmp_path / "started.txt"
    words = [sys.executable, "-m", "orchestrator", "prove", "train.py"]
    with subprocess.Popen(words, cwd=tmp_path, env=script_environment(None), stderr=subprocess.DEVNULL) as command:
        until_s = time.monotonic() + 60
        while not (here.exists() and here.read_text(encoding="utf-8").count(" ") == 3) and time.monotonic() < until_s:
            time.sleep(0.05)
        started = [int(word) for word in here.read_text(encoding="utf-8").split()]
        assert len(started) == 4 and all(is_running(one) for one in started)
        command.send_signal(number)
        assert not living_after(20, started)


DAEMON = """
import os, time
import orchestrator
with orchestrator.session(target=2) as run:
    for step in run.steps():
        pass
worker = os.fork()
if not worker:
    os.setsid()
    os.close(1)
    os.close(2)
    time.sleep(20)
    os._exit(0)
print(worker)
"""


def test_a_process_that_forks_by_itself_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(DAEMON, encoding="utf-8")
    done = run_script(tmp_path)
    assert done.returncode == 0, done.stderr
    assert living_after(0.3, [int(done.stdout)])
    os.kill(int(done.stdout), signal.SIGKILL)


LEFT = """
import multiprocessing, os, signal, subprocess, sys, time
import orchestrator

if __name__ == "__main__":
    with orchestrator.session() as run:
        state = run.keep(total=0)
        for step in run.steps():
            state.total += 1
            if step == 39:
                run.finish()
        silent = {name: subprocess.DEVNULL for name in ("stdin", "stdout", "stderr")}
        words = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]
        left = [subprocess.Popen(words, start_new_session=own, **silent) for own in (True, False)]
        left.append(multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,), daemon=True))
        left[-1].start()
        first = not os.path.exists(HERE)
        with open(HERE, "a") as here:
            print(*(one.pid for one in left), os.getpid(), file=here)
        if KILLED and first:
            os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("killed", [True, False])
def test_nothing_that_a_local_session_started_outlives_it(tmp_path: Path, killed: bool) -> None:
    here = tmp_path / "started.txt"
    make_script_project(tmp_path / "project", LEFT.replace("HERE", repr(str(here))).replace("KILLED", str(killed)))
    answer = orchestrate(tmp_path / "project", "run", "mine", "--json")
    assert answer.code == 0, answer.err
    started = [int(word) for word in here.read_text(encoding="utf-8").split()]
    assert len(started) == (8 if killed else 4)
    assert not [one for one in started if is_running(one)]  # it had ended before the session counted as ended
