"""A run on a real cluster whose controller is killed and started again meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.slurm.daemons import LoopbackSlurm


def run_with_a_kill(
    cluster: LoopbackSlurm,
    root: Path,
    *words: str,
    session: int,
    after_s: float,
    afterwards: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """`run ... --backend slurm --json`; kills slurmctld with -9 in the middle of a session and starts it again.

    Args:
        session: Number of the session that runs when the controller is killed.
        after_s: Seconds after the start of that session's job.
        afterwards: Called when the controller is back.

    Returns:
        The summary of the run, with `killed`: whether the controller was killed while that session ran.
    """
    command = [sys.executable, "-m", "orchestrator", "run", *words, "--backend", "slurm", "--json"]
    environ = {**cluster.environ, "ORCHESTRATOR_ROOT": str(root)}
    with (root / "run.log").open("w") as log:
        process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=log, encoding="utf-8")
        try:
            killed = _kill_in_session(cluster, root, process, session, after_s)
            afterwards()
            out, _ = process.communicate(timeout=900)
        finally:
            process.kill()
    assert process.returncode in (0, 1), (root / "run.log").read_text("utf-8") + cluster.logs()
    return {**json.loads(out), "killed": killed}


def _kill_in_session(
    cluster: LoopbackSlurm, root: Path, process: subprocess.Popen[str], session: int, after_s: float
) -> bool:
    pattern = f".orchestrator/slurm/*-s{session:02d}/starts/1/job"
    while not list(root.glob(pattern)):
        if process.poll() is not None:
            return False
        time.sleep(0.05)
    time.sleep(after_s)
    cluster.kill_controller()
    running = not list(root.glob(pattern.replace("/job", "/working/session_manifest.json")))
    time.sleep(1.0)
    cluster.start_controller()
    return running
