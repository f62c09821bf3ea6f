"""Runs a user's own script in a folder, as a user does: `python train.py`."""

from __future__ import annotations

import hashlib
import io
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.sb3.state.npz_tree import read_state, write_state
from tests.conftest import PROJECT_ROOT
from tests.doubles.warm_python import run_python

_LONGEST_S = 300.0


def run_script(
    folder: Path, *, variables: Mapping[str, object] | None = None, name: str = "train.py", bare: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run it to its end. `bare`: without site-packages, so that only the standard library is there."""
    changed = bare or any(word.startswith("PYTHON") for word in variables or ())
    done = run_python(
        [*(("-S",) if bare else ()), name],
        cwd=folder,
        env=script_environment(variables),
        timeout_s=_LONGEST_S,
        imported=() if changed else _imported_by(folder / name),
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def _imported_by(script: Path) -> tuple[str, ...]:
    """Large modules that the script imports in any case; it must find no other one imported."""
    text = script.read_text(encoding="utf-8")
    for library in ("stable_baselines3", "torch"):
        if re.search(rf"^(import|from) {library}\b", text, re.MULTILINE):
            return library, "torch._inductor.config"  # torch imports this one while it trains
    return ()


def start_script(folder: Path, *, variables: Mapping[str, object] | None = None) -> subprocess.Popen[str]:
    """Start it; its first line on standard output says that it trains."""
    return subprocess.Popen(
        [sys.executable, "train.py"],
        cwd=folder,
        env=script_environment(variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def script_environment(variables: Mapping[str, object] | None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ORCHESTRATOR_")}
    return {**kept, "PYTHONPATH": str(PROJECT_ROOT), **{name: str(value) for name, value in (variables or {}).items()}}


def model_parts(folder: Path, name: str = "train") -> tuple[dict[str, Any], list[bytes]]:
    """Digest of each part of the newest checkpoint of `run.sb3`; only the list of seams depends on the cuts."""
    checkpoints = folder / f".orchestrator/alone/{name}/checkpoints"
    steps = max(int(path.stem.rpartition("_checkpoint_")[2].split("_")[0]) for path in checkpoints.glob("*.json"))
    stem = f"{name}_checkpoint_{steps}_steps"
    state = read_state(checkpoints / f"{stem}.state.npz")
    parts = {key: state_digest({key: part}) for key, part in state.items() if key != "provenance"}
    return parts, [(checkpoints / f"{stem}{suffix}").read_bytes() for suffix in (".zip", ".kept.zip")]


def state_digest(tree: dict[str, Any]) -> str:
    stream = io.BytesIO()
    write_state(stream, tree)
    return hashlib.sha256(stream.getvalue()).hexdigest()


def checkpoint_bytes(folder: Path, steps: int, name: str = "train") -> tuple[bytes, bytes]:
    """Kept parts and random generators of a checkpoint; both files have no times in them."""
    stem = folder / f".orchestrator/alone/{name}/checkpoints/{name}_checkpoint_{steps}_steps"
    return stem.with_name(stem.name + ".zip").read_bytes(), stem.with_name(stem.name + ".state.npz").read_bytes()
