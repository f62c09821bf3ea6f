"""Starts a supervisor that outlives this program, and checks whether one still lives."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from orchestrator.backends.local.sandbox import Sandbox, read_json
from orchestrator.backends.local.supervisor import NO_ROOM, READY
from orchestrator.core.diagnostics.storage import storage_fault
from orchestrator.core.errors import RemoteUnavailable
from orchestrator.core.secret_search import without_secrets
from orchestrator.kernel.files.storage import StorageTrouble, free_text, storage_trouble

_SUBMIT_LOOKS, _SUBMIT_PAUSE_S = 100, 0.05
# Windows: DETACHED_PROCESS and CREATE_NEW_PROCESS_GROUP; elsewhere start_new_session does it and flags must be 0.
_DETACHED = 0x00000008 | 0x00000200 if os.name == "nt" else 0


def start_supervisor(sandbox: Path, python: str) -> None:
    """Start the supervisor of a sandbox and wait until it reports that the session exists.

    Args:
        sandbox: Root of the sandbox.
        python: Interpreter for it.

    Raises:
        RemoteUnavailable: It died before that, or another supervisor has the sandbox.
        StorageFault: The disk is full; the session does not exist.
    """
    errors_path = sandbox / "supervisor.log"
    with errors_path.open("ab") as errors:
        # It must outlive this program, so it is not waited for and gets its own process session.
        supervisor = subprocess.Popen(
            [python, "-X", "utf8", "-m", "orchestrator.backends.local.supervisor", str(sandbox)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**without_secrets(os.environ), "PYTHONPATH": str(Path(__file__).resolve().parents[3])},
            start_new_session=True,
            creationflags=_DETACHED,
        )
    if supervisor.stdout is None:
        raise RemoteUnavailable("the local supervisor has no output")
    with supervisor.stdout as output:
        first = output.readline().decode("ascii", "replace").strip()
    # Without a return code, the object would warn when it is garbage-collected that its process is still alive.
    supervisor.returncode = 0
    if first == NO_ROOM or (first != READY and _says_no_room(errors_path)):
        raise storage_fault(StorageTrouble.FULL, str(sandbox), free_text(sandbox))
    if first != READY:
        raise RemoteUnavailable("the local session could not be started", remedy=f"Read {errors_path}.")


def _says_no_room(errors_path: Path) -> bool:
    """Whether the interpreter failed on a full disk before the supervisor could report it."""
    return "[Errno 28]" in errors_path.read_text(encoding="utf-8", errors="replace")


def held(lock_path: Path) -> bool:
    """Whether a living process holds a lock; creates no file, and works where none can be written."""
    if not lock_path.is_file():
        return False  # no process of ours made anything else
    lock = FileLock(lock_path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return True
    except OSError as fault:
        if storage_trouble(fault) not in (StorageTrouble.READ_ONLY, StorageTrouble.DENIED):
            raise
        return _held_by_another(lock_path)
    lock.release()
    return False


def _held_by_another(lock_path: Path) -> bool:
    """The same by a file that is only read; without `flock` (Windows) a lock that cannot be opened counts as held."""
    if sys.platform == "win32":
        return True
    import fcntl

    with lock_path.open("rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)  # a network disk gives this one to a reader
        except BlockingIOError:
            return True
    return False


def withdraw_unless_submitted(sandbox: Sandbox) -> dict[str, Any] | None:
    """Read `submitted.json`; if it does not exist, withdraw the launch so that the session can never start.

    Returns:
        Its content, None if there is no such session.

    Raises:
        RemoteUnavailable: A supervisor holds the lock for 5 s without writing that file.
    """
    if not sandbox.root.is_dir():
        return None
    for _ in range(_SUBMIT_LOOKS):
        try:
            with FileLock(sandbox.supervisor_lock, timeout=0):
                submitted = read_json(sandbox.submitted)
                if submitted is None:
                    sandbox.launch.unlink(missing_ok=True)
                return submitted
        except Timeout:
            # A supervisor lives: it writes that file first.
            submitted = read_json(sandbox.submitted)
            if submitted is not None:
                return submitted
            time.sleep(_SUBMIT_PAUSE_S)
    raise RemoteUnavailable(
        f"the supervisor of {sandbox.root} runs but does not report",
        remedy="End that process, then run the same command again.",
    )


def withdraw_unless_begun(sandbox: Sandbox) -> bool:
    """Withdraw a session whose supervisor died before its kernel began.

    A kernel that is still about to begin finds no launch then, and ends: see `launcher.py`.

    Returns:
        Whether it has not begun, and never will.
    """
    if not sandbox.root.is_dir() or _has_begun(sandbox):
        return False
    try:
        with FileLock(sandbox.supervisor_lock, timeout=0), FileLock(sandbox.kernel_lock, timeout=0):
            if _has_begun(sandbox):
                return False
            sandbox.launch.unlink(missing_ok=True)  # first: without it, a session that was submitted cannot begin
            sandbox.submitted.unlink(missing_ok=True)
            return True
    except Timeout:
        return False


def _has_begun(sandbox: Sandbox) -> bool:
    return os.path.lexists(sandbox.kernel_begun) or os.path.lexists(sandbox.ended)
