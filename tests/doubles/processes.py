"""Processes of a test: whether they still run, and which one watches a session. Reads /proc of Linux."""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path


def is_running(process: int) -> bool:
    """Whether it exists and is no zombie."""
    try:
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2]
    except OSError:
        return False


def living_after(seconds: float, processes: Collection[int]) -> list[int]:
    """Those that still run after so many seconds; returns as soon as there are none."""
    until_s = time.monotonic() + seconds
    while (living := [one for one in processes if is_running(one)]) and time.monotonic() < until_s:
        time.sleep(0.02)
    return living


def supervisor_of(sandbox: Path) -> int:
    """The process that watches the session of a sandbox of the local backend.

    Raises:
        AssertionError: There is none.
    """
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended meanwhile
            if b"orchestrator.backends.local.supervisor" in words and str(sandbox).encode() in words:
                return int(process.name)
    raise AssertionError("no supervisor")
