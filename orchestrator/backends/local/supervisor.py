"""Watches one kernel: outlives the orchestrator, keeps the wall, and writes down how the kernel ended.

Started as its own process: `python -m orchestrator.backends.local.supervisor SANDBOX`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from orchestrator.backends.local.sandbox import Sandbox, read_json
from orchestrator.kernel.files.atomic import write_json
from orchestrator.kernel.files.reserve import Reserve
from orchestrator.kernel.files.storage import is_full

READY = "ready"
NO_ROOM = "no room"
"""Said instead of `READY`: the disk is full, and the session does not exist."""
_LOOK_EVERY_S = 0.1
_GRACE_S = 30.0


def main(root: Path) -> int:
    """Run the kernel of a sandbox to its end.

    Returns:
        0, or 1 when another supervisor already has the sandbox, the launch was withdrawn, or there is no room.
    """
    sandbox = Sandbox(root=root)
    try:
        with FileLock(sandbox.supervisor_lock, timeout=0):
            # Under the lock: whoever found this session absent has withdrawn its launch under the same lock.
            plan = read_json(sandbox.launch)
            if plan is None or sandbox.submitted.exists():
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
            _tell_ready()
            exit_code, reason = _supervise(sandbox, plan)
            reserve.release()
            write_json(sandbox.ended, {"exit_code": exit_code, "reason": reason, "at": _now()})
    except Timeout:
        return 1
    return 0


def _supervise(sandbox: Sandbox, plan: dict[str, Any]) -> tuple[int, str | None]:
    """Exit code of the kernel, and why it was made to leave, if it was."""
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
        str(sandbox.script),
    ]
    reason: str | None = None
    asked_at_s: float | None = None
    with sandbox.log.open("ab") as log:
        kernel = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=sandbox.working,
            env={**os.environ, **plan["environment"]},
        )
        started_s = time.monotonic()
        while (exit_code := _poll(kernel)) is None:
            elapsed_s = time.monotonic() - started_s
            if asked_at_s is None and sandbox.cancel.exists():
                reason, asked_at_s = "cancelled", elapsed_s
                kernel.terminate()
            wall_s = plan["wall_limit_s"]
            if wall_s is not None and elapsed_s > wall_s:
                # The far side's wall gives no notice either: that is what the soft deadline is for.
                reason = reason or "wall_limit"
                kernel.kill()
            if asked_at_s is not None and elapsed_s - asked_at_s > _GRACE_S:
                kernel.kill()
    return exit_code, reason


def _poll(kernel: subprocess.Popen[bytes]) -> int | None:
    try:
        return kernel.wait(timeout=_LOOK_EVERY_S)
    except subprocess.TimeoutExpired:
        return None


def _tell_ready() -> None:
    # The starter only waits for that line, and may be dead already; nobody reads this pipe afterwards.
    with suppress(BrokenPipeError):
        print(READY, flush=True)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())


def _now() -> str:
    return datetime.now(UTC).isoformat()


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
