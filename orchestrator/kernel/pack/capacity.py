"""How many sessions a machine can run side by side: measured when the kernel starts, with the standard library."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.kernel.environment.device import PROBED
from orchestrator.kernel.environment.subprocesses import Runner, run_bounded

MEMBER_BYTES = 2 << 30
"""Memory to keep for one session: torch with an environment takes about 0.7 GiB, a replay buffer of 1e6 steps 0.5."""

VISIBLE_GPUS = "CUDA_VISIBLE_DEVICES"

_GPU_LIMIT_S = 30.0
_KIB = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What a machine has.

    Attributes:
        cores: Logical CPUs that this process may use, at least 1.
        gpus: Value of `CUDA_VISIBLE_DEVICES` for each GPU.
        memory_bytes: Memory that new processes can take now, None if unknown.
    """

    cores: int
    gpus: tuple[str, ...] = ()
    memory_bytes: int | None = None

    def side_by_side(self, devices: Iterable[str]) -> int:
        """How many of these sessions run together: one for each GPU, else one for each core; at least 1.

        Args:
            devices: The device in each session's spec (`cpu`, `cuda`, `auto`).
        """
        wanted = list(devices)
        places = len(self.gpus) if self.gpus and any(one in PROBED for one in wanted) else self.cores
        if self.memory_bytes is not None:
            places = min(places, self.memory_bytes // MEMBER_BYTES)
        return max(1, min(places, len(wanted)))


def measure(run: Runner = run_bounded, root: Path = Path("/"), environ: Mapping[str, str] = os.environ) -> Capacity:
    """Measure this machine.

    Args:
        run: Runs another program.
        root: Root of the file system; for tests.
    """
    return Capacity(cores=usable_cores(root), gpus=_gpus(run, environ), memory_bytes=_memory_bytes(root))


def usable_cores(root: Path = Path("/")) -> int:
    """CPUs of this process, and not more than a container's share of CPU time; at least 1.

    Args:
        root: Root of the file system; for tests.
    """
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    quota, _, period = _text(root / "sys/fs/cgroup/cpu.max").strip().partition(" ")
    if quota.isdigit() and period.isdigit() and int(period):
        usable = min(usable, int(quota) // int(period))
    return max(1, usable)


def _gpus(run: Runner, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The GPUs that this process may use: those in the environment, else all in the driver's list."""
    if (visible := environ.get(VISIBLE_GPUS)) is not None:
        return tuple(name for part in visible.split(",") if (name := part.strip()) not in ("", "-1"))
    ran = run(["nvidia-smi", "-L"], _GPU_LIMIT_S)
    return tuple(re.findall(r"^GPU (\d+):", ran.out, re.MULTILINE)) if ran.exit_code == 0 else ()


def _memory_bytes(root: Path) -> int | None:
    """The smaller of the machine's available memory and what is left of a container's limit."""
    found = []
    if available := re.search(r"^MemAvailable:\s+(\d+) kB", _text(root / "proc/meminfo"), re.MULTILINE):
        found.append(int(available[1]) * _KIB)
    limit = _text(root / "sys/fs/cgroup/memory.max").strip()
    used = _text(root / "sys/fs/cgroup/memory.current").strip()
    if limit.isdigit() and used.isdigit():
        found.append(max(0, int(limit) - int(used)))
    return min(found, default=None)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""  # another system, or another version of cgroups
