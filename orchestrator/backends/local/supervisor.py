"""Watches one kernel: outlives the orchestrator, enforces the time limit and records how the kernel ended.

Started as its own process: `python -m orchestrator.backends.local.supervisor SANDBOX`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from orchestrator.backends.local.leftovers import end_leftovers
from orchestrator.backends.local.sandbox import Sandbox, read_json
from orchestrator.backends.local.temporary import short_path
from orchestrator.kernel.environment.children import adopt_orphans
from orchestrator.kernel.files.atomic import write_json
from orchestrator.kernel.files.reserve import Reserve
from orchestrator.kernel.files.storage import is_full

READY = "ready"
NO_ROOM = "no room"
"""Printed instead of `READY`: the disk is full, and the session does not exist."""
_LOOK_EVERY_S = 0.1
_GRACE_S = 30.0


def main(root: Path, end_leftovers: Callable[[int], None] = lambda leader: None) -> int:
    """Run the kernel of a sandbox to its end.

    Args:
        root: The sandbox.
        end_leftovers: Ends what the kernel of this process id has started and left behind.

    Returns:
        0, or 1 if another supervisor has the sandbox, the launch was withdrawn, or the disk is full.
    """
    try:
        with FileLock(Sandbox(root=root).supervisor_lock, timeout=0):
            # By relative paths the sandbox is found also after the project was moved: this folder moves with it.
            os.chdir(root)
            sandbox = Sandbox(root=Path())
            # Read under the lock: `find` withdraws the launch of an absent session under the same lock.
            plan = read_json(sandbox.launch)
            if not plan or sandbox.submitted.exists():
                return 1
            reserve = Reserve(sandbox.reserve)
            try:
                reserve.hold()
                write_json(sandbox.submitted, {"nonce": plan["nonce"], "at": _now()})
            except OSError as fault:
                if not is_full(fault):
                    raise
                reserve.release()
                print(NO_ROOM, flush=True)
                return 1
            _report_ready()
            exit_code, reason = _supervise(Sandbox(root=root), sandbox, plan, end_leftovers)
            reserve.release()
            write_json(sandbox.ended, {"exit_code": exit_code, "reason": reason, "at": _now()})
    except Timeout:
        return 1
    return 0


def _supervise(
    sandbox: Sandbox, here: Sandbox, plan: dict[str, Any], end_leftovers: Callable[[int], None]
) -> tuple[int, str | None]:
    """Run the kernel; returns its exit code, and why it was stopped, None if it was not.

    Args:
        sandbox: Where it is at the start.
        here: The same by relative paths.
    """
    launcher = Path(__file__).with_name("launcher.py")
    command = [
        plan["python"],
        "-I",
        "-u",
        "-X",
        "utf8",
        str(launcher),
        str(sandbox.kernel_lock),
        str(sandbox.kernel_begun),
        str(sandbox.launch),
        str(plan["nonce"]),
        str(sandbox.script),
    ]
    reason: str | None = None
    asked_at_s: float | None = None
    with sandbox.log.open("ab") as log, short_path(sandbox.scratch) as temporary:
        kernel = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=sandbox.working,
            env={**os.environ, **plan["environment"], **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))},
            start_new_session=True,  # it leads a group of its own, which ends with it
        )
        started_s = time.monotonic()
        while (exit_code := _poll(kernel)) is None:
            elapsed_s = time.monotonic() - started_s
            if asked_at_s is None and here.cancel.exists():
                reason, asked_at_s = "cancelled", elapsed_s
                kernel.terminate()
            wall_s = plan["wall_limit_s"]
            if wall_s is not None and elapsed_s > wall_s:
                # Kaggle's time limit gives no notice either: the session's own deadline comes before it.
                reason = reason or "wall_limit"
                kernel.kill()
            if asked_at_s is not None and elapsed_s - asked_at_s > _GRACE_S:
                kernel.kill()
        end_leftovers(kernel.pid)
    return exit_code, reason


def _poll(kernel: subprocess.Popen[bytes]) -> int | None:
    try:
        return kernel.wait(timeout=_LOOK_EVERY_S)
    except subprocess.TimeoutExpired:
        return None


def _report_ready() -> None:
    # The starting program waits for this line only, and may be dead already; the pipe is not read afterwards.
    with suppress(BrokenPipeError):
        print(READY, flush=True)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())


def _now() -> str:
    return datetime.now(UTC).isoformat()


if __name__ == "__main__":
    adopt_orphans()
    raise SystemExit(main(Path(sys.argv[1]), end_leftovers))
