"""CPU time of this program and of the simulators it started."""

from __future__ import annotations

import os
import time
from pathlib import Path


def core_seconds() -> float:
    """User and system seconds of this process and its living children, in s."""
    return time.process_time() + sum(_spent_by(child) for child in _children())


def _children() -> list[str]:
    threads = Path("/proc/self/task").iterdir()
    return [child for thread in threads for child in (thread / "children").read_text().split()]


def _spent_by(process: str) -> float:
    # The name in the second field may hold anything, a closing bracket too. Source: proc(5), /proc/pid/stat.
    after_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


class Timed:
    """Adds up the time of its blocks: `with Timed() as spent: ...`, then `spent.core_s` and `spent.wall_s`."""

    core_s = 0.0
    wall_s = 0.0

    def __enter__(self) -> Timed:
        self._core_s, self._wall_s = core_seconds(), time.perf_counter()
        return self

    def __exit__(self, *fault: object) -> None:
        self.core_s += core_seconds() - self._core_s
        self.wall_s += time.perf_counter() - self._wall_s
