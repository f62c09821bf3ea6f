"""Ends what a kernel has started and left behind, as the end of a container does on Kaggle."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

_LIMIT_S = 5.0
_PAUSE_S = 0.02


def end_leftovers(leader: int) -> None:
    """Kill the process group of an ended kernel and, on Linux, every orphan that this process has adopted.

    Windows has no process groups of this kind: there a process that the kernel left behind lives on.

    Args:
        leader: Process id of the kernel.
    """
    if not hasattr(os, "killpg"):
        return
    with suppress(ProcessLookupError, PermissionError):  # the whole group has ended
        os.killpg(leader, signal.SIGKILL)
    until_s = time.monotonic() + _LIMIT_S
    while (orphans := _children()) and time.monotonic() < until_s:
        for orphan in orphans:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(orphan, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(orphan, os.WNOHANG)
        time.sleep(_PAUSE_S)  # the children of a killed orphan are adopted next


def _children() -> list[int]:
    """Process ids of this process's children; none where the system has no /proc of Linux."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):  # it has ended meanwhile
            # The name of the program is in brackets and may hold spaces; state and parent follow it. Source: proc(5).
            parent = int(entry.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])
            if parent == os.getpid():
                found.append(int(entry.parent.name))
    return found
