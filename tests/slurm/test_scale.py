"""Two hundred sessions through slurmctld: no training twice, none lost, and how many commands of Slurm that takes."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.doubles.script_section import make_script_project
from tests.slurm.daemons import LoopbackSlurm, loopback_slurm

SESSIONS = int(os.environ.get("SLURM_SESSIONS", "200"))
"""So many trainings, each of one session of about a second, all submitted at once."""

MOST_SQUEUE, MOST_SCONTROL = 0.2, 1.0
"""Commands for each session."""

COMMANDS = ("sbatch", "squeue", "scontrol", "scancel")
CARD = """\
section: mine
script: train.py
slurm: {{time: "10", array: {array}}}
"""
CAMPAIGN = f"""\
campaign: many
backends: {{{{slurm: {{{{sessions: {{jobs}}}}}}}}}}
trials:
  all: {{{{section: mine, profile: quick, seeds: {SESSIONS}}}}}
"""
SCRIPT = """
import random

import orchestrator

with orchestrator.session() as run:
    state = run.keep(total=0.0)
    for step in run.steps():
        state.total += random.random()
        if step == 19:
            run.finish()
"""

pytestmark = [pytest.mark.prove, pytest.mark.timeout(1800)]


def _counting(cluster: LoopbackSlurm, folder: Path) -> tuple[dict[str, str], Path]:
    """An environment in which each command of Slurm writes its name into a file first."""
    folder.mkdir()
    calls = folder / "calls"
    for name in COMMANDS:
        real = shutil.which(name, path=cluster.environ["PATH"])
        wrapper = folder / name
        wrapper.write_text(f'#!/bin/sh\necho {name} >> {calls}\nexec {real} "$@"\n', encoding="utf-8")
        wrapper.chmod(0o755)
    return {**cluster.environ, "PATH": f"{folder}{os.pathsep}{cluster.environ['PATH']}"}, calls


@pytest.mark.parametrize("array", [1, 50])
def test_two_hundred_sessions_are_neither_doubled_nor_lost(tmp_path: Path, array: int) -> None:
    root = make_script_project(tmp_path / "project", SCRIPT, CARD.format(array=array))
    submits = math.ceil(SESSIONS / array)
    (root / "configs/campaigns").mkdir()
    (root / "configs/campaigns/many.yaml").write_text(CAMPAIGN.format(jobs=submits), encoding="utf-8")
    with loopback_slurm(min_job_age_s=3600) as cluster:
        environ, calls = _counting(cluster, tmp_path / "commands")
        began_s = time.monotonic()
        ran = subprocess.run(
            [sys.executable, "-m", "orchestrator", "campaign", "run", "many", "--json"],
            env={**environ, "ORCHESTRATOR_ROOT": str(root)},
            capture_output=True,
            encoding="utf-8",
            timeout=1500,
            check=False,
        )
        took_s = time.monotonic() - began_s
        assert ran.returncode == 0, ran.stderr[-3000:] + cluster.logs()
        jobs = cluster.command("squeue", "--array", "--states=all", "--noheader", "--format=%i|%T").split()
    counts = Counter(calls.read_text("utf-8").split())
    each = ", ".join(f"{name} {counts[name] / SESSIONS:.2f}" for name in COMMANDS)
    print(f"{SESSIONS} sessions, {submits} submits, in {took_s:.0f} s; commands a session: {each}")
    names = Counter(line.partition("|")[0] for line in jobs)
    assert len(jobs) == len(names) == SESSIONS and {line.partition("|")[2] for line in jobs} == {"COMPLETED"}
    manifests = [
        json.loads(path.read_text("utf-8"))
        for path in (root / "validation_output/results").glob("*/session_manifest.json")
    ]
    assert len(manifests) == SESSIONS and {one["end_reason"] for one in manifests} == {"finished"}
    assert len({one["stamp"]["nonce"] for one in manifests}) == SESSIONS
    assert len({one["stamp"]["lineage_id"] for one in manifests}) == SESSIONS
    assert counts["sbatch"] == submits and counts["scancel"] == 0
    assert counts["squeue"] <= MOST_SQUEUE * SESSIONS and counts["scontrol"] <= MOST_SCONTROL * SESSIONS
