"""What of a machine determines the last bits of a training's numbers: system, processor, and libraries' settings."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_SETTINGS = (
    "ATEN_CPU_CAPABILITY",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "NPY_DISABLE_CPU_FEATURES",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
)
"""Environment variables by which a user chooses the instructions of torch, MKL, numpy, oneDNN and OpenBLAS."""
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
"""Environment of a training that shares its machine. More threads would take turns, and round sums otherwise."""
_INSTRUCTIONS = ("avx512f", "avx2", "avx", "sve", "asimd")
"""Vector instructions, the widest first: libraries use them if the processor has them."""


def describe_machine(environ: Mapping[str, str] | None = None, cpuinfo: Path = _CPUINFO) -> dict[str, str]:
    """System, architecture, vector instructions, and the settings that change which of them are used."""
    environ = os.environ if environ is None else environ
    described = {"system": platform.system(), "architecture": platform.machine().lower()}
    described["architecture"] = _SAME.get(described["architecture"], described["architecture"])
    described["instructions"] = _instructions(cpuinfo)
    return described | {name: environ[name] for name in _SETTINGS if environ.get(name)}


_SAME = {"amd64": "x86_64", "arm64": "aarch64"}
"""Names of Windows and macOS for the architectures of Linux."""


def _instructions(cpuinfo: Path) -> str:
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()  # of Windows and macOS: the processor's family
    named = (line for line in lines if line.lower().startswith(("flags", "features")))
    flags = set(next(named, "").partition(":")[2].split())
    return next((name for name in _INSTRUCTIONS if name in flags), "no vectors")
