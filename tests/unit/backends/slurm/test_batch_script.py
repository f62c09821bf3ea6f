"""The batch script, run by bash: one output folder a start, and no start that nonce, manifest or user forbid."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.backends.slurm.session.batch_script import BatchScript
from orchestrator.core.section.slurm import SlurmSettings

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")

KERNEL = """
import os, sys
from pathlib import Path
Path("out.txt").write_text(os.environ["ORCHESTRATOR_KAGGLE_ROOT"])
print(os.getpid(), Path.cwd(), sorted(os.listdir("../input")), os.environ["ORCHESTRATOR_STOP_PAUSES"])
"""


def made(root: Path, **changes: object) -> BatchScript:
    for name in ("starts", "input"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "nonce").write_text("1" * 32)
    (root / "input" / "x-checkpoints").mkdir(exist_ok=True)
    (root / "kernel.py").write_text(KERNEL)
    script = BatchScript(
        settings=SlurmSettings(), name="arz-x-s01", nonce="1" * 32, folder=str(root), python=sys.executable
    )
    return replace(script, **changes)


def run(script: BatchScript, *, code: int = 0) -> subprocess.CompletedProcess[str]:
    words = ["bash", "-c", script.text()]
    environ = {**os.environ, "SLURM_JOB_ID": "7"}
    done = subprocess.run(words, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, done.stderr + done.stdout
    return done


@pytest.mark.parametrize("name", ["plain", "with blank", "quote'\"", "$HOME `x`", "é%j"])
def test_each_start_has_a_folder_of_its_own(tmp_path: Path, name: str) -> None:
    script = made(tmp_path / name)
    for number in ("1", "2"):
        out = run(script).stdout
        here = tmp_path / name / "starts" / number
        assert f"{here}/working ['x-checkpoints'] 1" in out
        assert (here / "working/out.txt").read_text() == str(here)
        assert (here / "job").read_text() == "7\n"


def test_the_session_is_the_process_that_gets_the_signal(tmp_path: Path) -> None:
    script = made(tmp_path)
    started = subprocess.Popen(["bash", "-c", script.text()], stdout=subprocess.PIPE, text=True)
    out, _ = started.communicate(timeout=60)
    assert out.split()[0] == str(started.pid)


def test_what_must_not_start_leaves_without_a_trace(tmp_path: Path) -> None:
    script = made(tmp_path)
    assert "belongs to another session" in run(replace(script, nonce="2" * 32)).stdout
    (tmp_path / "cancel").touch()
    assert "asked to stop" in run(script).stdout
    (tmp_path / "cancel").unlink()
    (tmp_path / "nonce").unlink()
    assert "belongs to another session" in run(script).stdout
    assert list((tmp_path / "starts").iterdir()) == []


def test_a_session_that_has_ended_does_not_start_again(tmp_path: Path) -> None:
    script = made(tmp_path)
    run(script)
    (tmp_path / "starts/1/working/session_manifest.json").touch()
    assert "already ended" in run(script).stdout
    assert len(list((tmp_path / "starts").iterdir())) == 1


def test_a_pack_starts_again_until_one_start_has_all_manifests(tmp_path: Path) -> None:
    script = made(tmp_path, members=2)
    run(script)
    names = [next(iter((tmp_path / "starts/1/working").iterdir())).parent / f"member_0{one}" for one in (1, 2)]
    for name in names:
        name.mkdir()
    (names[0] / "session_manifest.json").touch()
    assert "already ended" not in run(script).stdout
    (names[1] / "session_manifest.json").touch()
    assert "already ended" in run(script).stdout


def test_a_task_of_an_array_has_starts_inputs_and_a_stop_of_its_own(tmp_path: Path) -> None:
    script = made(tmp_path, members=12, array=True)
    (tmp_path / "input/1").mkdir()
    (tmp_path / "input/12/mine").mkdir(parents=True)

    def task(number: int) -> str:
        environ = {**os.environ, "SLURM_JOB_ID": "9", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": str(number)}
        words = ["bash", "-c", script.text()]
        done = subprocess.run(words, env=environ, capture_output=True, text=True, timeout=60, check=True)
        return done.stdout

    assert f"{tmp_path}/starts/12-1/working ['mine'] 1" in task(12)
    assert "starts/1-1/working [] 1" in task(1) and "starts/12-2/" in task(12)
    assert (tmp_path / "starts/12-1/job").read_text() == "7_12\n"
    (tmp_path / "starts/12-2/working/session_manifest.json").touch()
    assert "already ended" in task(12) and "starts/1-2/" in task(1)
    (tmp_path / "cancel-1").touch()
    assert "asked to stop" in task(1)
    (tmp_path / "cancel").touch()
    assert "asked to stop" in task(2)
    assert sorted(path.name for path in (tmp_path / "starts").iterdir()) == ["1-1", "1-2", "12-1", "12-2"]


def test_modules_and_container(tmp_path: Path) -> None:
    module = "module() { echo loaded $2 >> modules.txt; [ $2 != absent ]; }; export -f module; "
    script = made(tmp_path, settings=SlurmSettings(modules=("python/3.11",), container="env 'A=b c'"))
    text = script.text()
    assert text.startswith("#!/bin/bash -l\n") and f"exec env 'A=b c' {sys.executable} -I -u -X utf8" in text
    subprocess.run(["bash", "-c", module + text], check=True, timeout=60, capture_output=True)
    assert (tmp_path / "starts/1/working/modules.txt").read_text() == "loaded python/3.11\n"
    absent = made(tmp_path, settings=SlurmSettings(modules=("absent",)))
    done = subprocess.run(["bash", "-c", module + absent.text()], timeout=60, capture_output=True, check=False)
    assert done.returncode == 64 and b"module load absent failed" in done.stdout


def test_options_are_lines_of_the_script(tmp_path: Path) -> None:
    settings = SlurmSettings(partition="gpu", account="lab", qos="low", gres="gpu:1", cpus=4, mem="8G", time="2:00:00")
    lines = made(tmp_path, settings=settings).text().splitlines()
    options = {line.removeprefix("#SBATCH --") for line in lines if line.startswith("#SBATCH")}
    assert options == {
        *("job-name=arz-x-s01", f"comment=orchestrator:{'1' * 32}", "partition=gpu", "account=lab", "qos=low"),
        *("gres=gpu:1", "mem=8G", "cpus-per-task=4", "time=120", "signal=B:TERM@120", "output=kernel.log"),
        *("open-mode=append", "dependency=singleton", "no-requeue"),
    }
    assert next(index for index, line in enumerate(lines) if line.startswith("#SBATCH")) == 1
