"""The program that `doctor --first-session` runs on Kaggle: its source is the script. Standard library only."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
import zipfile
from pathlib import Path
from typing import Any

SESSION_ID, REPORT, READY, DONE = "SESSION_ID", "REPORT", "READY", "DONE"
"""First words of the lines that are read on the other side."""
CHECKPOINT, WAITING = "checkpoints/probe.zip", "waiting.txt"
"""What it saves: before its report, and when it begins to wait."""

_LARGEST_BYTES = 1 << 20
_MOST_MOUNTS = 60


def run(root: str, lines: int, pause_s: float, wait_s: float, expected: list[str]) -> None:
    """Log some lines, save a checkpoint, report machine and mounts, then wait.

    Args:
        root: Holds `working` and `input`; an environment variable of the tests may replace it.
        lines: Number of log lines, `pause_s` apart.
        wait_s: Seconds to wait at the end, for a cancel.
        expected: sha256 of the files to look for among the inputs.
    """
    place = Path(os.environ.get("ORCHESTRATOR_KAGGLE_ROOT", root))
    print(f"{SESSION_ID} {_session_id()}", flush=True)
    for number in range(1, lines + 1):
        print(f"LINE {number}", flush=True)
        time.sleep(pause_s)
    save_checkpoint(place / "working" / CHECKPOINT)
    print(f"{REPORT} " + json.dumps(_report(place / "input", expected)), flush=True)
    if wait_s:
        (place / "working" / WAITING).write_text("waiting\n")
        print(READY, flush=True)
        time.sleep(wait_s)
    print(DONE, flush=True)


def save_checkpoint(path: Path) -> None:
    """Write the probe's checkpoint: a zip with the same bytes everywhere."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_zip(path, "0123456789abcdef" * 2048)


def write_zip(path: Path, text: str) -> None:
    """Write a zip of one text file, with the same bytes on every system."""
    entry = zipfile.ZipInfo("content.txt")
    entry.create_system = 3  # else Windows writes another byte
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(entry, text)


def _session_id() -> str:
    """Number of this session, from the name `kaggle_<token>-<session id>-webtier`; empty if it has another form."""
    parts = os.environ.get("KAGGLE_CONTAINER_NAME", "").rsplit("-", 2)
    return parts[1] if len(parts) == 3 and parts[1].isdigit() else ""


def _report(inputs: Path, expected: list[str]) -> dict[str, Any]:
    files = sorted(path for path in inputs.rglob("*") if path.is_file() and path.stat().st_size <= _LARGEST_BYTES)
    digests = {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in files}
    return {
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "variables": sorted(name for name in os.environ if name.startswith("KAGGLE_")),
        "found": {one: digests[one].relative_to(inputs).as_posix() for one in expected if one in digests},
        "mounts": [path.relative_to(inputs).as_posix() for path in files][:_MOST_MOUNTS],
    }
