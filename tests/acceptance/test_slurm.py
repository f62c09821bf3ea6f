"""`run --backend slurm` on Slurm's real daemons: several jobs make one training, also if the controller is killed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.cli.main import main
from tests.doubles.commands import orchestrate
from tests.doubles.script_section import make_script_project
from tests.doubles.toy_section import make_toy_project, read_card_file, set_behaviour, write_card
from tests.slurm.daemons import LoopbackSlurm, loopback_slurm, wait_until
from tests.slurm.kills import run_with_a_kill

SLOW = """
import random
import time
from pathlib import Path

import orchestrator

GATE = Path(GATE_OF_TEST)

with orchestrator.session() as run:
    state = run.keep(values=[])
    for step in run.steps():
        state.values.append(random.random())
        while step == 20 and not GATE.exists():
            time.sleep(0.02)
        if step == 29:
            run.finish()
    print("sum", sum(state.values))
"""

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def cluster() -> Iterator[LoopbackSlurm]:
    with loopback_slurm() as slurm:
        yield slurm


@pytest.fixture
def on_cluster(cluster: LoopbackSlurm, monkeypatch: pytest.MonkeyPatch) -> LoopbackSlurm:
    monkeypatch.setattr("orchestrator.backends.slurm.capabilities.LOOK_EVERY_S", (0.5, 1.0))
    for name in ("SLURM_CONF", "PATH"):
        monkeypatch.setenv(name, cluster.environ[name])
    return cluster


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(make_toy_project(tmp_path)))
    return tmp_path


def _started_jobs(root: Path) -> list[str]:
    paths = sorted((root / ".orchestrator/slurm").glob("*/starts/*/job"))
    return [path.read_text().strip() for path in paths]


def test_three_jobs_make_one_training(on_cluster: LoopbackSlurm, toy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    set_behaviour(toy, '{"1": {"do": "pause"}, "2": {"do": "pause"}}')
    assert main(["run", "section_7_6", "--quick", "--backend", "slurm", "--json"]) == 0
    summary = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert (summary["steps_done"], summary["sessions"]) == (40, 3)
    assert len(set(_started_jobs(toy))) == 3
    results = sorted(path.name for path in (toy / "validation_output/results").iterdir())
    assert [name.rpartition("-")[2] for name in results] == ["s01", "s02", "s03"]


def test_a_killed_controller_costs_no_step_and_counts_no_job_twice(on_cluster: LoopbackSlurm, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    script = SLOW.replace("GATE_OF_TEST", repr(str(gate)))
    near = make_script_project(tmp_path / "near", script)
    far = make_script_project(tmp_path / "far", script)

    def open_gate() -> None:
        gate.touch()

    summary = run_with_a_kill(on_cluster, far, "mine", session=1, after_s=0.5, afterwards=open_gate)
    assert summary["killed"] and (summary["steps_done"], summary["sessions"]) == (30, 1)
    assert len(set(_started_jobs(far))) == 1  # one job, perhaps started twice
    assert orchestrate(near, "run", "mine").code == 0
    names = ("mine_checkpoint_30_steps.zip", "mine_checkpoint_30_steps.state.npz")
    models = Path("validation_ch7/mine/data/models/checkpoints")
    for name in names:
        assert (far / models / name).read_bytes() == (near / models / name).read_bytes(), name


@pytest.mark.prove  # the contract has the cancel itself
def test_a_cancelled_session_saves_and_ends_the_run(on_cluster: LoopbackSlurm, tmp_path: Path) -> None:
    script = SLOW.replace("GATE_OF_TEST", repr(str(tmp_path / "never"))).replace(
        "and not GATE", "and not run.should_stop and not GATE"
    )
    root = make_script_project(tmp_path / "project", script)
    variables = {name: on_cluster.environ[name] for name in ("SLURM_CONF", "PATH")}
    assert orchestrate(root, "run", "mine", "--backend", "slurm", "--detach", **variables).code == 0
    folder = root / ".orchestrator/slurm"
    wait_until(
        lambda: any("Starting fresh" in one.read_text("utf-8") for one in folder.glob("*/kernel.log")), "no start"
    )
    answer = orchestrate(root, "cancel", "mine", **variables)
    assert answer.code == 0, answer.out + answer.err
    status = orchestrate(root, "status", "mine", "--json", **variables)
    assert "stopped" in status.out
    assert list((root / "validation_ch7/mine/data/models/checkpoints").glob("*.zip")) != []


@pytest.mark.parametrize(
    ("block", "words"),
    [({"partition": "nope"}, "Invalid partition name specified"), ({"gres": "gpu:1"}, "Invalid generic resource")],
)
def test_what_slurm_refuses_is_shown_in_its_own_words(
    on_cluster: LoopbackSlurm, toy: Path, capfd: pytest.CaptureFixture[str], block: dict[str, str], words: str
) -> None:
    write_card(toy, read_card_file(toy) | {"slurm": block})
    assert main(["run", "section_7_6", "--quick", "--backend", "slurm"]) == 2
    err = capfd.readouterr().err
    assert words in err and "block `slurm`" in err
    assert _started_jobs(toy) == []


def test_doctor_reports_the_cluster(on_cluster: LoopbackSlurm, toy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--backend", "slurm"]) == 0
    out = capfd.readouterr().out
    assert "✓ Slurm: slurm" in out and "main* (up, infinite), minute (up, 1:00)" in out
    write_card(toy, read_card_file(toy) | {"slurm": {"partition": "minute", "time": "10"}})
    assert main(["doctor", "section_7_6", "--backend", "slurm"]) == 2
    assert "minute allows less than slurm.time (10)" in capfd.readouterr().out


@pytest.fixture
def without_slurm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    empty = tmp_path / "bin"
    empty.mkdir()
    monkeypatch.setenv("PATH", str(empty))


@pytest.mark.usefixtures("without_slurm")
def test_without_slurm_nothing_runs_elsewhere(toy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "section_7_6", "--quick", "--backend", "slurm"]) == 4
    assert "this computer has no Slurm: sbatch was not found" in (err := capfd.readouterr().err)
    assert "login node" in err
    assert not (toy / "validation_output").exists()
    assert main(["doctor", "--backend", "slurm"]) == 2
    assert "✗ Slurm's commands: not found: sbatch, squeue, scontrol, scancel" in capfd.readouterr().out


def test_a_controller_that_is_away_is_exit_code_4(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in ("sbatch", "squeue", "scontrol", "scancel"):
        (folder / tool).write_text("#!/bin/sh\necho 'Slurmctld(primary) at login is DOWN'\nexit 1\n")
        (folder / tool).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    assert shutil.which("scontrol") == str(folder / "scontrol")
    assert main(["run", "section_7_6", "--quick", "--backend", "slurm"]) == 4
    err = capfd.readouterr().err
    assert "Slurmctld(primary) at login is DOWN" in err and "Run the same command again when Slurm answers" in err


@pytest.mark.parametrize("words", [("--backend", "local"), ("--backend", "slurm", "--push")])
def test_doctor_refuses_what_it_cannot_check(toy: Path, words: tuple[str, ...]) -> None:
    assert main(["doctor", *words]) == 2


def test_folder_with_an_unknown_variable_is_refused(
    on_cluster: LoopbackSlurm, toy: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_card(toy, read_card_file(toy) | {"slurm": {"folder": "$NOT_SET_ANYWHERE/sessions"}})
    assert main(["run", "section_7_6", "--quick", "--backend", "slurm"]) == 2
    assert "$NOT_SET_ANYWHERE/sessions names a variable" in capfd.readouterr().err
