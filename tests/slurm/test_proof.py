"""A training cut by a wall of two minutes, with the controller killed meanwhile, equals that of this computer."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PROJECT_ROOT
from tests.doubles.commands import orchestrate
from tests.doubles.toy_section import read_card_file, write_card
from tests.slurm.daemons import loopback_slurm
from tests.slurm.kills import run_with_a_kill

TARGET_STEPS = 300_000
"""Minutes of training on two cores: more than two walls."""
MODELS = Path("validation_ch7/section_7_6_rl_performance/data/models")

pytestmark = [pytest.mark.prove, pytest.mark.timeout(1800)]


def _project(root: Path) -> Path:
    unwanted = shutil.ignore_patterns("__pycache__", "data", "trials")
    for name in ("configs", "validation_ch7"):
        shutil.copytree(PROJECT_ROOT / name, root / name, ignore=unwanted)
    card = read_card_file(root)
    card["slurm"] = {"time": "2", "cpus": 2}
    card["profiles"]["quick"] |= {"target_steps": TARGET_STEPS, "evaluation_scenarios": 10}
    write_card(root, card)
    return root


def _policy(root: Path) -> bytes:
    with zipfile.ZipFile(root / MODELS / "traffic_light_control_final.zip") as archive:
        return archive.read("policy.pth")


def _manifests(root: Path) -> list[dict[str, Any]]:
    paths = sorted((root / "validation_output/results").glob("*/session_manifest.json"))
    return [json.loads(path.read_text("utf-8")) for path in paths]


def test_section_7_6_on_slurm_equals_the_local_training(tmp_path: Path) -> None:
    with loopback_slurm() as cluster:
        far = _project(tmp_path / "slurm")
        summary = run_with_a_kill(cluster, far, "section_7_6", "--quick", session=2, after_s=3.0)
        queue = cluster.command("squeue", "--states=all", "--noheader", "--format=%i|%j|%T")
        print(queue)
    near = _project(tmp_path / "local")
    answer = orchestrate(near, "run", "section_7_6", "--quick", "--json", timeout_s=1200.0)
    assert answer.code in (0, 1), answer.err
    assert summary["killed"] and summary["steps_done"] == answer.json["steps_done"] == TARGET_STEPS
    manifests = _manifests(far)
    # No session twice, none lost: each goes on where the one before ended.
    assert [one["steps_start"] for one in manifests] == [0, *(one["steps_done"] for one in manifests[:-1])]
    assert len(manifests) == summary["sessions"] == len(queue.splitlines()) >= 3
    assert [one["end_reason"] for one in manifests] == ["paused"] * (len(manifests) - 1) + ["finished"]
    digests = [_manifests(root)[-1]["training"]["policy_digest_after"] for root in (far, near)]
    assert digests[0] == digests[1]
    assert _policy(far) == _policy(near)
