"""Tries one input: accepted, refused, or a crash; counts them, and keeps what crashed."""

from __future__ import annotations

import hashlib
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import PROJECT_ROOT
from tests.fuzz.kind import Kind

SLOW_S = 5.0
"""CPU seconds of this process; an input that takes more counts as a crash. Other work on the machine does not count."""
HANGS_S = 60.0
"""Wall seconds; an input that takes longer counts as a crash although it computes little: it waits for something."""
KEPT = PROJECT_ROOT / ".fuzz"
_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""On Linux a disk in memory, where a save is not waited for."""


@dataclass(slots=True)
class Tally:
    """What became of the inputs of one kind.

    Attributes:
        crashes: Place of a crash -> file with the first input that led there.
    """

    kind: str
    inputs: int = 0
    refused: int = 0
    crashes: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON form."""
        return {"kind": self.kind, "inputs": self.inputs, "refused": self.refused, "crashes": self.crashes}


def try_input(
    kind: Kind,
    content: bytes,
    tally: Tally,
    cpu: Callable[[], float] = time.process_time,
    wall: Callable[[], float] = time.monotonic,
) -> None:
    """Read one input.

    Args:
        cpu: CPU seconds of this process.
        wall: Seconds of a clock.
    """
    tally.inputs += 1
    began_cpu_s, began_s = cpu(), wall()
    try:
        with tempfile.TemporaryDirectory(prefix="fuzz-", dir=_MEMORY, ignore_cleanup_errors=True) as scratch:
            tally.refused += not kind.read(content, Path(scratch))
    except Exception as fault:
        _keep(kind, content, f"{_place(fault)} {type(fault).__name__}: {str(fault)[:120]!r}", tally)
    else:
        if (took_s := cpu() - began_cpu_s) > SLOW_S:
            _keep(kind, content, f"took more than {SLOW_S:.0f} s of CPU ({took_s:.0f} s)", tally)
        elif (took_s := wall() - began_s) > HANGS_S:
            _keep(kind, content, f"took more than {HANGS_S:.0f} s ({took_s:.0f} s)", tally)


def _place(fault: BaseException) -> str:
    frames = traceback.extract_tb(fault.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(PROJECT_ROOT / "orchestrator")] or frames
    return f"{Path(own[-1].filename).name}:{own[-1].lineno}"


def _keep(kind: Kind, content: bytes, what: str, tally: Tally) -> None:
    place = what.partition(":")[0] + ":" + what.partition(":")[2].partition(" ")[0]
    if place in tally.crashes:
        return
    path = KEPT / f"{kind.name.replace(' ', '-')}-{hashlib.sha256(content).hexdigest()[:12]}"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    tally.crashes[place] = f"{path.name}: {what}"
