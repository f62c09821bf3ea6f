"""Trainings of a campaign as tasks of one job array, on Slurm's real daemons."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.commands import orchestrate
from tests.doubles.script_section import make_script_project
from tests.slurm.daemons import LoopbackSlurm, loopback_slurm, wait_until

CARD = """\
section: mine
script: train.py
slurm: {time: "10", array: 8}
"""
CAMPAIGN = """\
campaign: many
backends: {slurm: {sessions: 2}}
trials:
  all: {section: mine, profile: quick, seeds: [1, 2, 3]}
"""
SCRIPT = """
import random
import time
from pathlib import Path

import orchestrator

HERE = Path(FOLDER_OF_TEST)

with orchestrator.session() as run:
    state = run.keep(values=[])
    for step in run.steps():
        state.values.append(random.random())
        while step == 10 and not (HERE / "gate").exists() and not run.should_stop:
            time.sleep(0.02)
        if step == 12 and (HERE / f"fail-{run.seed}").exists():
            raise ValueError("this seed fails")
        if step == 19:
            run.finish()
    print("sum", sum(state.values))
"""

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def cluster() -> Iterator[LoopbackSlurm]:
    with loopback_slurm() as slurm:
        yield slurm


@dataclass(frozen=True, slots=True)
class Project:
    """A campaign of three trainings in a project on a cluster, whose commands are counted.

    Attributes:
        here: The folder that the script looks into: `gate` lets the trainings go on, `fail-N` ends that of seed N.
    """

    root: Path
    here: Path
    environ: dict[str, str]

    def command(self, *words: str) -> dict[str, Any]:
        names = ("SLURM_CONF", "PATH", "ORCHESTRATOR_ROOT")
        answer = orchestrate(self.root, *words, **{one: self.environ[one] for one in names if one in self.environ})
        assert answer.code in (0, 1), answer.out + answer.err
        return dict(json.loads(answer.out.splitlines()[-1])) if "--json" in words else {}

    def tick(self) -> dict[str, Any]:
        return self.command("campaign", "tick", "many", "--json")

    def end(self) -> dict[str, Any]:
        """Let the trainings go on, and tick until the campaign is over."""
        (self.here / "gate").touch()
        give_up_s = time.monotonic() + 90
        while not (report := self.tick())["over"]:
            assert time.monotonic() < give_up_s, report
            time.sleep(0.5)
        return report

    def calls(self) -> Counter[str]:
        path = self.here / "calls"
        return Counter(path.read_text("utf-8").split()) if path.exists() else Counter()

    def manifests(self) -> list[dict[str, Any]]:
        paths = (self.root / "validation_output/results").glob("*/session_manifest.json")
        return [json.loads(path.read_text("utf-8")) for path in paths]

    def logs(self) -> dict[str, str]:
        folder = self.root / ".orchestrator/slurm"
        return {path.name: path.read_text("utf-8") for path in folder.glob("*/kernel.*.log")}

    def states(self, cluster: LoopbackSlurm) -> list[str]:
        """States of the campaign's jobs, of arrays those of each task."""
        (nonce,) = (path.read_text() for path in (self.root / ".orchestrator/slurm").glob("*/nonce"))
        words = ("squeue", "--noheader", "--array", "--states=all", "--format=%T|%k")
        rows = cluster.command(*words).split()
        return [row.partition("|")[0] for row in rows if row.endswith(f"|orchestrator:{nonce}")]

    def wait_for_all(self) -> None:
        """Until all three trainings stand before the gate."""
        wait_until(lambda: sum("Starting fresh" in text for text in self.logs().values()) == 3, str(self.logs()))


@pytest.fixture
def project(cluster: LoopbackSlurm, tmp_path: Path) -> Project:
    here = tmp_path / "here"
    (here / "bin").mkdir(parents=True)
    root = make_script_project(tmp_path / "project", SCRIPT.replace("FOLDER_OF_TEST", repr(str(here))), CARD)
    (root / "configs/campaigns").mkdir()
    (root / "configs/campaigns/many.yaml").write_text(CAMPAIGN, encoding="utf-8")
    for name in ("sbatch", "squeue", "scontrol", "scancel"):
        real = shutil.which(name, path=cluster.environ["PATH"])
        lost = f'[ -e {here}/lose ] && [ {name} = sbatch ] && {{ rm {here}/lose; {real} "$@" >/dev/null; '
        lost += "echo 'sbatch: error: Batch job submission failed: Socket timed out' >&2; exit 1; }\n"
        (here / "bin" / name).write_text(f'#!/bin/sh\necho {name} >> {here}/calls\n{lost}exec {real} "$@"\n')
        (here / "bin" / name).chmod(0o755)
    return Project(root, here, {**cluster.environ, "PATH": f"{here}/bin:{cluster.environ['PATH']}"})


def test_one_failing_task_does_not_touch_the_others(project: Project) -> None:
    (project.here / "fail-2").touch()
    project.tick()
    project.wait_for_all()
    assert project.calls()["sbatch"] == 1
    assert project.end()["states"] == {"done": 2, "failed": 1}
    assert Counter(one["end_reason"] for one in project.manifests()) == {"finished": 2, "section_failed": 1}
    assert project.calls()["sbatch"] == 1


def test_a_lost_answer_to_sbatch_leads_to_no_second_array(project: Project, cluster: LoopbackSlurm) -> None:
    (project.here / "lose").touch()
    (project.here / "gate").touch()
    project.tick()
    assert project.end()["states"] == {"done": 3}
    assert project.calls()["sbatch"] == 1 and not (project.here / "lose").exists()
    assert len({one["stamp"]["nonce"] for one in project.manifests()}) == len(project.manifests()) == 3
    assert len(project.states(cluster)) == 3


def test_one_task_is_cancelled_alone(project: Project, cluster: LoopbackSlurm) -> None:
    project.tick()
    project.wait_for_all()
    project.command("cancel", "mine", "--seed", "2")
    states = project.states(cluster)
    assert Counter(states) == {"RUNNING": 2, "COMPLETED": 1}
    report = project.end()
    ends = {one["trial"][-1]: (one["why"], one["steps_done"]) for one in report["trials"]}
    assert ends["1"] == ends["3"] == ("", 20)
    assert ends["2"][0] == "stopped" and 0 < ends["2"][1] < 20


def test_a_killed_controller_costs_no_step_and_counts_no_task_twice(
    project: Project, cluster: LoopbackSlurm, tmp_path: Path
) -> None:
    project.tick()
    project.wait_for_all()
    cluster.kill_controller()
    cluster.start_controller()
    assert project.end()["states"] == {"done": 3}
    assert project.calls()["sbatch"] == 1 and len(project.manifests()) == 3
    near = make_script_project(tmp_path / "near", (project.root / "train.py").read_text("utf-8"), CARD)
    (near / "configs/campaigns").mkdir()
    text = CAMPAIGN.replace("{slurm: {sessions: 2}}", "{local: {sessions: 2}}")
    (near / "configs/campaigns/many.yaml").write_text(text, encoding="utf-8")
    assert orchestrate(near, "campaign", "run", "many").code == 0
    models = sorted(path.relative_to(near) for path in near.glob("validation_ch7/mine/trials/*/data/models/**/*.npz"))
    assert len(models) == 3
    for path in models:
        assert (project.root / path).read_bytes() == (near / path).read_bytes(), path
