"""A user's own script that keeps one object under two names, or starts processes, ends with the same bytes."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

import orchestrator
from tests.doubles.own_script import checkpoint_bytes, run_script, start_script
from tests.doubles.processes import living_after

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


def _ended(folder: Path, text: str, name: str = "train.py") -> tuple[int, str, str]:
    folder.mkdir(exist_ok=True)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    done = run_script(folder, name=name)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


LOOP = """
import orchestrator
with orchestrator.session({arguments}) as run:
    state = run.keep(x=0)
    for step in run.steps():
        state.x += 1
        if step == 6:
            {leave}
print("after")
"""


@pytest.mark.parametrize("arguments", ["target=10, save_every=4", "save_every=4"])
def test_break_is_no_success_and_names_the_remedy(tmp_path: Path, arguments: str) -> None:
    code, out, err = _ended(tmp_path, LOOP.format(arguments=arguments, leave="break"))
    assert (
        (code, out) == (1, "")
        and "4" in err
        and "steps are saved. `break` saves nothing: call run.finish() to end" in err
    )
    code, out, _ = _ended(tmp_path, LOOP.format(arguments=arguments, leave="run.finish()"))
    assert (code, out) == (0, "after\n")


def test_script_without_a_loop_does_not_reach_its_target(tmp_path: Path) -> None:
    code, _, err = _ended(tmp_path, "import orchestrator\nwith orchestrator.session(target=3) as run:\n    pass\n")
    assert code == 1 and "Left before the end of the training: 0 of 3 steps are saved." in err


OWN_LOOP = """
import numpy as np
import orchestrator
with orchestrator.session() as run:
    state = run.keep(x=0)
    step = np.int64(run.start)
    while not run.finished:
        step, state.x = step + 1, state.x + 1
        run.report(step, x=state.x)
        run.save(step)
        if step >= 5:
            run.finish()
print(state.x)
"""


def test_finish_after_the_last_save_is_remembered_and_numbers_of_numpy_count(tmp_path: Path) -> None:
    for _ in range(2):
        assert _ended(tmp_path, OWN_LOOP)[:2] == (0, "5\n")


def test_finished_program_does_not_run_again(tmp_path: Path) -> None:
    text = "import orchestrator\nwith orchestrator.session() as run:\n    run.program(['sh', 'train.sh'])\n"
    shell = (
        'echo ran; mkdir "$ORCHESTRATOR_SAVE_FOLDER/a"; mv "$ORCHESTRATOR_SAVE_FOLDER/a" "$ORCHESTRATOR_SAVE_FOLDER/7"'
    )
    (tmp_path / "train.sh").write_text(shell, encoding="utf-8")
    assert [_ended(tmp_path, text)[:2] for _ in range(2)] == [(0, "ran\n"), (0, "")]


def test_two_scripts_with_one_name_have_two_folders(tmp_path: Path) -> None:
    text = LOOP.format(arguments="target=2", leave="pass") + "print(run.start)\n"
    for name in ("a/train.py", "b/train.py", "a/__main__.py", "b/__main__.py"):
        assert _ended(tmp_path, text, name)[:2] == (0, "after\n0\n")
    assert (tmp_path / ".orchestrator/alone/b/b/checkpoints").is_dir()
    assert (tmp_path / ".orchestrator/alone/a/train/checkpoints").is_dir()


def test_folder_for_results_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / ".orchestrator/alone/train").mkdir(parents=True)
    (tmp_path / ".orchestrator/alone/train/outputs").write_text("", encoding="utf-8")
    code, _, err = _ended(tmp_path, LOOP.format(arguments="target=2", leave="pass"))
    assert code == 2 and "Cannot start: " in err and "outputs cannot be used" in err


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_second_interrupt_also_ends_what_the_program_has_started(tmp_path: Path) -> None:
    text = "import orchestrator\nwith orchestrator.session() as run:\n    run.program(['sh', 'train.sh'])\n"
    (tmp_path / "train.py").write_text(text, encoding="utf-8")
    (tmp_path / "train.sh").write_text(
        "trap '' TERM\nsleep 20 > /dev/null 2>&1 &\necho $!\nwait\nwait\n", encoding="utf-8"
    )
    with start_script(tmp_path) as command:
        assert command.stdout is not None
        inner = int(command.stdout.readline())
        for _ in range(2):
            command.send_signal(signal.SIGINT)
            time.sleep(0.5)
    assert command.returncode == 130
    assert not living_after(5, [inner])


LEFT_WORKER = """
import os, signal, time
import orchestrator

def sleep():
    worker = os.fork()
    if not worker:
        os.close(1)
        os.close(2)
        time.sleep(20)
        os._exit(0)
    return worker

if __name__ == "__main__":
    with orchestrator.session(target=4, save_every=1) as run:
        state = run.keep(total=0)
        for step in run.steps():
            state.total += step
            if step == 2 and run.start == 0:
                print(sleep(), flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="fork")
def test_worker_that_outlives_a_killed_training_does_not_lock_its_folder(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(LEFT_WORKER, encoding="utf-8")
    killed = run_script(tmp_path)
    assert killed.returncode == -signal.SIGKILL
    again = run_script(tmp_path)
    os.kill(int(killed.stdout), signal.SIGKILL)
    assert again.returncode == 0, again.stderr


OWN_FILES = """
import orchestrator
with orchestrator.session(target={target}) as run:
    if run.resume_folder:
        print(*sorted(str(path.relative_to(run.resume_folder)) for path in run.resume_folder.rglob("*")), sep="|")
    def write(folder):
        for name in ("a:b.pt", "back\\\\slash", "\u00e9 \u00fc.txt", "0.bin", "tree.json"):
            (folder / name).write_text("x")
        (folder / "logs/empty").mkdir(parents=True)
    for step in run.steps(write=write):
        pass
"""


@pytest.mark.skipif(sys.platform == "win32", reason="names that Windows does not have")
def test_own_files_of_any_name_and_empty_folders_come_back(tmp_path: Path) -> None:
    assert _ended(tmp_path, OWN_FILES.format(target=2))[0] == 0
    code, out, _ = _ended(tmp_path, OWN_FILES.format(target=4))
    assert (code, out) == (0, "0.bin|a:b.pt|back\\slash|logs|logs/empty|tree.json|\u00e9 \u00fc.txt\n")
