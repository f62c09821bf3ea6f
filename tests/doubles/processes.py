"""Whether processes of a test still run; reads /proc of Linux."""

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
