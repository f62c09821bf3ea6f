"""A user's own script: cut anywhere, it ends with the same bytes; alone, with and without numpy and torch."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path

import pytest

import orchestrator
from tests.doubles.own_script import checkpoint_bytes, run_script, start_script
from tests.marks import first_cases

PLAIN = """
import os, random, signal
import orchestrator

with orchestrator.session(target=40, seed=3, save_every=4) as run:
    own = random.Random(7)
    state = run.keep(own=own, weights=[0.0, 0.0], best=-1.0, table={(1, "a"): 2**80, 3: float("inf")})
    cut = os.environ.get("CUT", "")
    for step in run.steps():
        state.weights[step % 2] += random.gauss(0, 1)
        state.best = max(state.best, own.random())
        state.table[step] = state.best
        if cut and step == int(cut.split()[1]):
            os.kill(os.getpid(), getattr(signal, cut.split()[0]))
        run.report(step, reward=state.best)
"""
NUMPY = """
import os, signal
import numpy as np
import orchestrator

with orchestrator.session(target=40, seed=3, save_every=4) as run:
    rng = np.random.default_rng(run.seed)
    weights = np.asfortranarray(np.zeros((3, 2)))
    run.keep(rng=rng, weights=weights, old=np.random.RandomState(5), seen=[])
    cut = os.environ.get("CUT", "")
    for step in run.steps():
        weights += rng.normal(size=(3, 2)) * np.random.random()
        if cut and step == int(cut.split()[1]):
            os.kill(os.getpid(), getattr(signal, cut.split()[0]))
        run.report(step, norm=np.linalg.norm(weights))
"""
TORCH = """
import os, signal
from collections import deque
import torch
import orchestrator

with orchestrator.session(target=40, seed=3, save_every=4) as run:
    net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 5)
    half, own = torch.zeros(3, dtype=torch.bfloat16), torch.Generator().manual_seed(1)
    memory = deque(maxlen=6)
    run.keep(net=net, optimizer=optimizer, schedule=schedule, half=half, own=own, memory=memory)
    cut = os.environ.get("CUT", "")
    for step in run.steps():
        memory.append(torch.randn(8, 4) + torch.rand(1, generator=own))
        loss = sum(net(batch).pow(2).mean() for batch in memory)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        half += 0.1
        if cut and step == int(cut.split()[1]):
            os.kill(os.getpid(), getattr(signal, cut.split()[0]))
        run.report(step, loss=loss)
"""


def _folder(tmp_path: Path, name: str, text: str) -> Path:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "train.py").write_text(text, encoding="utf-8")
    return folder


def _events(folder: Path) -> str:
    return (folder / ".orchestrator/alone/train/events.jsonl").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", first_cases(2, [PLAIN, NUMPY, TORCH]), ids=["plain", "numpy", "torch"])
def test_cut_training_ends_with_the_bytes_of_the_straight_one(tmp_path: Path, text: str) -> None:
    straight, cut = _folder(tmp_path, "straight", text), _folder(tmp_path, "cut", text)
    done = run_script(straight)
    assert done.returncode == 0, done.stderr
    dice = random.Random(len(text))
    steps = sorted(dice.sample(range(5, 39), 3))
    for number, step in zip(("SIGTERM", "SIGKILL", "SIGINT"), steps, strict=True):
        ended = run_script(cut, variables={"CUT": f"{number} {step}"})
        expected = {"SIGTERM": orchestrator.MORE_TO_DO, "SIGKILL": -signal.SIGKILL, "SIGINT": 130}[number]
        assert ended.returncode == expected, ended.stderr
        assert "Traceback" not in ended.stderr
    last = run_script(cut)
    assert last.returncode == 0, last.stderr
    assert "Resume is" not in _events(cut) and "Not kept" not in _events(cut)
    assert checkpoint_bytes(cut, 40) == checkpoint_bytes(straight, 40)
    card = json.loads(
        (cut / ".orchestrator/alone/train/checkpoints/train_checkpoint_40_steps.json").read_text(encoding="utf-8")
    )
    assert {ancestor["continued"] for ancestor in card["ancestry"]} == {"exact"}
    reports = (cut / ".orchestrator/alone/train/outputs/progress.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["step"] for line in reports] == list(range(40))
    assert reports == (straight / ".orchestrator/alone/train/outputs/progress.jsonl").read_text().splitlines()


def test_script_needs_only_the_standard_library(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "bare", PLAIN)
    assert run_script(folder, bare=True).returncode == 0


def test_reached_target_ends_at_once_and_a_higher_one_continues(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "more", PLAIN)
    run_script(folder)
    again = run_script(folder)
    assert (again.returncode, _events(folder).count('"kind":"saved"')) == (0, 10)
    more = run_script(folder, variables={"ORCHESTRATOR_TARGET": 46})
    assert more.returncode == 0
    assert "Loading checkpoint train_checkpoint_40_steps.zip (40 steps)" in more.stderr
    straight = _folder(tmp_path, "straight", PLAIN)
    run_script(straight, variables={"ORCHESTRATOR_TARGET": 46})
    assert checkpoint_bytes(folder, 46) == checkpoint_bytes(straight, 46)


def test_damaged_newest_checkpoint_is_passed_over(tmp_path: Path) -> None:
    folder, straight = _folder(tmp_path, "damaged", PLAIN), _folder(tmp_path, "straight", PLAIN)
    run_script(straight)
    run_script(folder, variables={"CUT": "SIGTERM 17"})
    newest = folder / ".orchestrator/alone/train/checkpoints/train_checkpoint_18_steps.zip"
    newest.write_bytes(newest.read_bytes()[:-5])
    done = run_script(folder)
    assert done.returncode == 0
    assert "Not usable: train_checkpoint_18_steps" in done.stderr
    assert "Loading checkpoint train_checkpoint_16_steps.zip" in done.stderr
    assert checkpoint_bytes(folder, 40) == checkpoint_bytes(straight, 40)


def test_without_any_whole_checkpoint_it_does_not_start_over(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "lost", PLAIN)
    run_script(folder, variables={"CUT": "SIGTERM 17"})
    for path in (folder / ".orchestrator/alone/train/checkpoints").glob("*.zip"):
        path.write_bytes(b"")
    done = run_script(folder)
    assert done.returncode == 2
    assert "move the folder away to start over" in done.stderr and "Traceback" not in done.stderr


def test_files_of_a_killed_first_save_do_not_block_the_training(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "first", PLAIN)
    checkpoints = folder / ".orchestrator/alone/train/checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints / "train_checkpoint_4_steps.zip").write_bytes(b"no card yet")
    (checkpoints / ".partial-train_checkpoint_4_steps.state.npz").write_bytes(b"half")
    assert run_script(folder).returncode == 0
    assert not list(checkpoints.glob(".partial-*"))


def test_second_process_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    text = PLAIN.replace(
        "for step in run.steps():",
        "print('trains', flush=True); __import__('time').sleep(90)\n    for step in run.steps():",
    )
    folder = _folder(tmp_path, "twice", text)
    first = start_script(folder)
    try:
        assert first.stdout is not None and first.stdout.readline() == "trains\n"
        second = run_script(folder)
        assert second.returncode == 2
        assert "another process trains in" in second.stderr and "ORCHESTRATOR_FOLDER" in second.stderr
    finally:
        first.kill()
        first.communicate()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folder_is_named_without_a_traceback(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "read_only", PLAIN)
    folder.chmod(0o555)
    try:
        done = run_script(folder)
    finally:
        folder.chmod(0o755)
    assert done.returncode == 2
    assert "cannot be written" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="only Linux has a folder that even root cannot write")
def test_folder_that_cannot_be_made_is_named_without_a_traceback(tmp_path: Path) -> None:
    done = run_script(_folder(tmp_path, "proc", PLAIN), variables={"ORCHESTRATOR_FOLDER": "/proc/orchestrator"})
    assert done.returncode == 2
    assert "/proc/orchestrator cannot be written" in done.stderr and "Traceback" not in done.stderr


def test_folder_that_is_a_file_is_named_without_a_traceback(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "file", PLAIN)
    (folder / "taken").write_text("mine", encoding="utf-8")
    done = run_script(folder, variables={"ORCHESTRATOR_FOLDER": folder / "taken"})
    assert done.returncode == 2
    assert "cannot be written" in done.stderr and "Traceback" not in done.stderr
    assert (folder / "taken").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ORCHESTRATOR_TARGET", "many"),
        ("ORCHESTRATOR_TARGET", "-1"),
        ("ORCHESTRATOR_TARGET", str(10**30)),
        ("ORCHESTRATOR_SEED", "1.5"),
        ("ORCHESTRATOR_SAVE_EVERY", "0"),
        ("ORCHESTRATOR_DEADLINE_S", "nan"),
        ("ORCHESTRATOR_DEVICE", "gpu"),
        ("ORCHESTRATOR_SETTINGS", "[1]"),
    ],
)
def test_wrong_variable_is_named_with_its_value(tmp_path: Path, variable: str, value: str) -> None:
    done = run_script(_folder(tmp_path, "wrong", PLAIN), variables={variable: value})
    assert done.returncode == 2
    assert variable in done.stderr and value[:20] in done.stderr and "Traceback" not in done.stderr


def test_another_seed_is_refused_and_another_script_is_statistical(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "changed", PLAIN)
    run_script(folder, variables={"CUT": "SIGTERM 17"})
    other = run_script(folder, variables={"ORCHESTRATOR_SEED": 4})
    assert other.returncode == 2 and "seed" in other.stderr
    (folder / "train.py").write_text(PLAIN + "# changed\n", encoding="utf-8")
    assert "Resume is statistical: code_digest" in run_script(folder).stderr


def test_what_cannot_be_kept_is_named_and_lowers_the_grade(tmp_path: Path) -> None:
    text = PLAIN.replace("best=-1.0,", "best=-1.0, function=lambda: 1,")
    folder = _folder(tmp_path, "unkept", text)
    first = run_script(folder, variables={"CUT": "SIGTERM 17"})
    assert "Not kept, so a resume is not exact: function: a value of type builtins.function" in first.stderr
    done = run_script(folder)
    assert "Resume is statistical: the checkpoint could not keep everything: function" in done.stderr
    card = json.loads(
        (folder / ".orchestrator/alone/train/checkpoints/train_checkpoint_40_steps.json").read_text(encoding="utf-8")
    )
    assert "statistical" in {ancestor["continued"] for ancestor in card["ancestry"]}
    assert card["identity"]["lost_state"][0].startswith("function: ")


def test_deadline_saves_and_makes_progress_in_every_process(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "deadline", PLAIN)
    for _ in range(3):
        assert run_script(folder, variables={"ORCHESTRATOR_DEADLINE_S": 1e-6}).returncode == orchestrator.MORE_TO_DO
    assert "Loading checkpoint train_checkpoint_3_steps.zip" in run_script(folder).stderr


def test_finish_ends_before_the_target_and_holds(tmp_path: Path) -> None:
    text = PLAIN.replace("        run.report(", "        if step == 9:\n            run.finish()\n        run.report(")
    folder = _folder(tmp_path, "finish", text)
    assert run_script(folder).returncode == 0
    assert checkpoint_bytes(folder, 10)
    assert run_script(folder).returncode == 0
    assert not list((folder / ".orchestrator/alone/train/checkpoints").glob("*_12_steps.zip"))


def test_error_in_the_loop_is_the_users_and_saves_nothing(tmp_path: Path) -> None:
    text = PLAIN.replace("        run.report(", "        if step == 9:\n            1 / 0\n        run.report(")
    folder = _folder(tmp_path, "error", text)
    done = run_script(folder)
    assert done.returncode == 1 and "ZeroDivisionError" in done.stderr
    names = {path.name for path in (folder / ".orchestrator/alone/train/checkpoints").glob("*.zip")}
    assert names == {"train_checkpoint_4_steps.zip", "train_checkpoint_8_steps.zip"}


OWN_FILES = """
import os, signal
import orchestrator

with orchestrator.session(target=12, save_every=5) as run:
    total = int((run.resume_folder / "deep" / "total.txt").read_text()) if run.resume_folder else 0

    def write(folder):
        (folder / "deep").mkdir()
        (folder / "deep" / "total.txt").write_text(str(total))

    for step in range(run.start, run.target):
        total += step
        if str(step) == os.environ.get("CUT"):
            os.kill(os.getpid(), signal.SIGTERM)
        run.step = step + 1
        if run.save_is_due or run.should_stop:
            run.save(step + 1, write=write)
        if run.should_stop:
            break
    else:
        run.save(run.target, write=write)
        print(total)
"""


def test_own_files_travel_in_the_checkpoint(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "files", OWN_FILES)
    assert run_script(folder, variables={"CUT": 7}).returncode == orchestrator.MORE_TO_DO
    done = run_script(folder)
    assert (done.returncode, done.stdout) == (0, f"{sum(range(12))}\n")


def test_part_that_the_script_replaces_is_named(tmp_path: Path) -> None:
    text = NUMPY.replace("weights += rng", "weights = weights + rng")
    first = run_script(_folder(tmp_path, "replaced", text)).stderr
    assert first.count("The part 'weights' has not changed yet") == 1
    assert "The part 'rng'" not in first
    assert "has not changed" not in run_script(_folder(tmp_path, "in_place", PLAIN)).stderr


def test_part_that_may_be_unchanged_for_good_reasons_is_not_named(tmp_path: Path) -> None:
    text = NUMPY.replace("seen=[])", "seen=[], lost=print, text='a', row=np.zeros(2))").replace("target=40", "target=8")
    first = run_script(_folder(tmp_path, "early", text)).stderr
    assert first.count("has not changed yet") == 1 and "The part 'text' has not changed yet" in first
    later = run_script(_folder(tmp_path, "later", text.replace("target=8", "target=12"))).stderr
    assert "The part 'row' has not changed yet" in later and "The part 'lost'" not in later


def test_seed_variable_seeds_the_global_generators(tmp_path: Path) -> None:
    text = (
        "import random, numpy as np, torch, orchestrator\n"
        "with orchestrator.session(target=1) as run:\n"
        "    print(random.random(), np.random.random(), torch.rand(1).item())\n"
    )
    folder = _folder(tmp_path, "seeded", text)
    seeds = ((1, "a"), (1, "b"), (2, "c"))
    found = [
        run_script(folder, variables={"ORCHESTRATOR_SEED": seed, "ORCHESTRATOR_FOLDER": folder / name}).stdout
        for seed, name in seeds
    ]
    assert found[0] == found[1] != found[2] and found[0]


def test_report_takes_nan_and_names_of_our_own_fields(tmp_path: Path) -> None:
    text = PLAIN.replace("reward=state.best)", "score=float('nan') if step < 20 else 1, kind=2, last=3, at=4, steps=5)")
    folder = _folder(tmp_path, "names", text)
    done = run_script(folder)
    assert done.returncode == 0, done.stderr
    first = (folder / ".orchestrator/alone/train/outputs/progress.jsonl").read_text(encoding="utf-8").splitlines()[0]
    assert json.loads(first) == {"step": 0, "score": "nan", "kind": 2, "last": 3, "at": 4, "steps": 5}
    assert b'"best_score": 1.0' in checkpoint_bytes(folder, 40)[1]


def test_full_disk_while_saving_is_named_and_earlier_checkpoints_hold(tmp_path: Path) -> None:
    full = (
        "import errno\n"
        "from orchestrator.kernel.training.kept_state import archive, checkpoints as c\n"
        "def write(path, tree, *rest):\n"
        "    if tree.get('steps', 0) > 9: raise OSError(errno.ENOSPC, 'No space left on device', str(path))\n"
        "    archive.write_archive(path, tree, *rest)\n"
        "c.write_archive = write\n"
    )
    folder, straight = _folder(tmp_path, "full", full + PLAIN), _folder(tmp_path, "straight", PLAIN)
    run_script(straight)
    done = run_script(folder)
    assert done.returncode == 2 and "is full. Earlier checkpoints are untouched" in done.stderr
    assert "Traceback" not in done.stderr
    (folder / "train.py").write_text(PLAIN, encoding="utf-8")
    assert "Loading checkpoint train_checkpoint_8_steps.zip" in run_script(folder).stderr
    assert checkpoint_bytes(folder, 40) == checkpoint_bytes(straight, 40)


def test_second_interrupt_ends_a_long_step_at_once_without_a_traceback(tmp_path: Path) -> None:
    sleep = "print('trains', flush=True); __import__('time').sleep(90)"
    text = PLAIN.replace("        run.report(", f"        if step == 9:\n            {sleep}\n        run.report(")
    folder = _folder(tmp_path, "long", text)
    first = start_script(folder)
    assert first.stdout is not None and first.stdout.readline() == "trains\n"
    first.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert first.poll() is None
    first.send_signal(signal.SIGINT)
    _, err = first.communicate(timeout=30)
    assert first.returncode == 130 and "8 steps are saved" in err and "Traceback" not in err


@pytest.mark.parametrize("number", range(1, 10))
def test_kill_at_any_write_leaves_the_last_whole_checkpoint(tmp_path: Path, number: int) -> None:
    kill = (
        "import os, signal\n"
        "replace, done = os.replace, []\n"
        "def killed(*paths):\n"
        "    done.append(1)\n"
        "    number = int(os.environ.get('NUMBER', 0))\n"
        "    if len(done) == number: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    replace(*paths)\n"
        "os.replace = killed\n"
    )
    folder, straight = _folder(tmp_path, "killed", kill + PLAIN), _folder(tmp_path, "straight", PLAIN)
    assert run_script(straight).returncode == 0
    for _ in range(2):
        assert run_script(folder, variables={"NUMBER": number}).returncode == -signal.SIGKILL
    done = run_script(folder)
    assert done.returncode == 0, done.stderr
    assert checkpoint_bytes(folder, 40) == checkpoint_bytes(straight, 40)


def test_script_whose_name_another_locale_reads_otherwise_is_refused(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "élan", PLAIN)
    (folder / "train.py").rename(folder / "été.py")
    ascii_locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = run_script(folder, name="été.py", variables=ascii_locale)
    assert done.returncode == 2
    assert "this Python reads file names as ascii, in which the script's name is not a text" in done.stderr
    assert "Start it with `python -X utf8`, or rename it." in done.stderr
    assert not (folder / ".orchestrator").exists()
