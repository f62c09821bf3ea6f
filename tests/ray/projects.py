"""Projects for the tests on a real head."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.doubles.script_section import make_script_project
from tests.ray.head import LoopbackRay

SLOW = """
import random
import time
from pathlib import Path

import orchestrator

GATE = Path({gate!r})

with orchestrator.session() as run:
    state = run.keep(values=[])
    for step in run.steps():
        state.values.append(random.random())
        while step == 20 and not GATE.exists() and not run.should_stop:
            time.sleep(0.02)
        if run.should_stop:
            time.sleep({save_s})
        if step == 29:
            run.finish()
    print("sum", sum(state.values))
"""

MODELS = Path("validation_ch7/mine/data/models/checkpoints")


def block(cluster: LoopbackRay, **more: Any) -> dict[str, Any]:
    """The card's `ray` block."""
    return {"address": cluster.address, "storage": f"file://{cluster.storage}", "python": sys.executable, **more}


def slow_project(root: Path, gate: Path, ray: dict[str, Any], save_s: float = 0.0) -> Path:
    """A script that saves every five steps, waits at its step 20 for a gate, and ends at its step 30."""
    profiles = {name: {"checkpoint_every_steps": 5} for name in ("quick", "full")}
    card = {"section": "mine", "script": "train.py", "profiles": profiles, "ray": ray}
    return make_script_project(root, SLOW.format(gate=str(gate), save_s=save_s), yaml.safe_dump(card))


def stored(cluster: LoopbackRay, text: str) -> bool:
    """Whether a running session has stored an output with that text in its path."""
    return any(text in path.read_text() for path in cluster.storage.glob("*/starts/*/index-*.json"))


def manifests(root: Path) -> list[dict[str, Any]]:
    """The manifests of the fetched sessions, in order."""
    paths = sorted((root / "validation_output/results").glob("*/session_manifest.json"))
    return [json.loads(path.read_text("utf-8")) for path in paths]
