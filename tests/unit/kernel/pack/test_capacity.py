"""How many sessions of a pack run side by side follows from GPUs, cores and memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from orchestrator.kernel.environment.subprocesses import Ran
from orchestrator.kernel.pack.capacity import MEMBER_BYTES, Capacity, measure

TWO_T4 = "GPU 0: Tesla T4 (UUID: GPU-1a)\nGPU 1: Tesla T4 (UUID: GPU-2b)\n"


def _driver(out: str, exit_code: int | None = 0) -> Ran:
    return Ran(exit_code=exit_code, out=out)


@pytest.mark.parametrize(
    ("capacity", "devices", "expected"),
    [
        (Capacity(cores=4), ["cpu"] * 6, 4),
        (Capacity(cores=4), ["cpu"] * 3, 3),
        (Capacity(cores=4, gpus=("0", "1")), ["cuda"] * 4, 2),
        (Capacity(cores=4, gpus=("0", "1")), ["auto"] * 4, 2),
        (Capacity(cores=4, gpus=("0", "1")), ["cpu"] * 4, 4),
        (Capacity(cores=4), ["auto"] * 4, 4),
        (Capacity(cores=4, memory_bytes=3 * MEMBER_BYTES - 1), ["cpu"] * 4, 2),
        (Capacity(cores=4, memory_bytes=0), ["cpu"] * 4, 1),
        (Capacity(cores=4, gpus=("0", "1"), memory_bytes=MEMBER_BYTES), ["cuda"] * 2, 1),
    ],
)
def test_places(capacity: Capacity, devices: Sequence[str], expected: int) -> None:
    assert capacity.side_by_side(devices) == expected


def _write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="ascii")


def test_the_driver_lists_the_gpus_unless_the_environment_selects_some(tmp_path: Path) -> None:
    def found(environ: dict[str, str], ran: Ran) -> tuple[str, ...]:
        return measure(lambda command, limit_s: ran, tmp_path, environ).gpus

    assert found({}, _driver(TWO_T4)) == ("0", "1")
    assert found({}, _driver("", None)) == ()
    assert found({}, _driver(TWO_T4, 9)) == ()  # the driver's list cannot be trusted
    assert found({"CUDA_VISIBLE_DEVICES": "1"}, _driver(TWO_T4)) == ("1",)
    assert found({"CUDA_VISIBLE_DEVICES": ""}, _driver(TWO_T4)) == ()
    assert found({"CUDA_VISIBLE_DEVICES": "-1"}, _driver(TWO_T4)) == ()


def test_a_container_limits_cores_and_memory(tmp_path: Path) -> None:
    def measured() -> Capacity:
        return measure(lambda command, limit_s: _driver("", None), tmp_path, {})

    _write(tmp_path, "proc/meminfo", "MemTotal: 9 kB\nMemAvailable:    4000000 kB\n")
    assert measured().memory_bytes == 4_000_000 * 1024
    _write(tmp_path, "sys/fs/cgroup/cpu.max", "150000 100000\n")
    _write(tmp_path, "sys/fs/cgroup/memory.max", "1000000\n")
    _write(tmp_path, "sys/fs/cgroup/memory.current", "400000\n")
    assert (measured().cores, measured().memory_bytes) == (1, 600_000)
    _write(tmp_path, "sys/fs/cgroup/cpu.max", "max 100000\n")
    _write(tmp_path, "sys/fs/cgroup/memory.max", "max\n")
    assert measured().cores >= 1 and measured().memory_bytes == 4_000_000 * 1024


def test_an_unknown_machine_has_one_core_and_no_memory_limit(tmp_path: Path) -> None:
    unknown = measure(lambda command, limit_s: _driver("", None), tmp_path, {})
    assert unknown.cores >= 1 and unknown.memory_bytes is None
