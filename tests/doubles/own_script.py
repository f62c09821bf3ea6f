"""Runs a user's own script in a folder, as a user does: `python train.py`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.conftest import PROJECT_ROOT


def run_script(
    folder: Path, *, variables: Mapping[str, object] | None = None, name: str = "train.py", bare: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run it to its end. `bare`: without site-packages, so that only the standard library is there."""
    return subprocess.run(
        [sys.executable, *(("-S",) if bare else ()), name],
        cwd=folder,
        env=script_environment(variables),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


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


def checkpoint_bytes(folder: Path, steps: int, name: str = "train") -> tuple[bytes, bytes]:
    """Kept parts and random generators of a checkpoint; both files have no times in them."""
    stem = folder / f".orchestrator/alone/{name}/checkpoints/{name}_checkpoint_{steps}_steps"
    return stem.with_name(stem.name + ".zip").read_bytes(), stem.with_name(stem.name + ".state.npz").read_bytes()
