"""A third count, of the system itself: `strace` sees every call of a process, also those of SQLite and other libraries.

Run as a program it carries out one scenario: `python -m tests.kill_points.system_trace SCENARIO`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path

from tests.conftest import PROJECT_ROOT
from tests.kill_points.observer import Observer, observed

KINDS = ("mkdir", "rmdir", "unlink", "rename", "fsync")
_KIND_OF = {
    "mkdir": "mkdir",
    "mkdirat": "mkdir",
    "rmdir": "rmdir",
    "unlink": "unlink",
    "unlinkat": "unlink",
    "rename": "rename",
    "renameat": "rename",
    "renameat2": "rename",
    "fsync": "fsync",
    "fdatasync": "fdatasync",
}
"""Python calls `fsync`, SQLite `fdatasync`."""
_BEGIN, _END = "/kill-points-begin", "/kill-points-end"
_CALL = re.compile(r"(?:\[pid +\d+\] |\d+ +)?(\w+)\((.*)\) += 0\b")


def is_possible() -> bool:
    """Whether processes can be traced here."""
    program = shutil.which("strace")
    return program is not None and subprocess.run([program, "true"], capture_output=True, check=False).returncode == 0


def counts_of(name: str) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """The side effects of a scenario: as observed, as the system saw them, and what SQLite flushed by name."""
    with tempfile.TemporaryDirectory(prefix="kill-points-") as folder:
        log = Path(folder) / "calls"
        traced = f"trace=stat,newfstatat,{','.join(_KIND_OF)}"
        done = subprocess.run(
            ["strace", "-f", "-y", "-e", traced, "-o", str(log), sys.executable, "-m", __spec__.name, name, folder],
            cwd=PROJECT_ROOT,
            stdout=subprocess.PIPE,
            check=True,
        )
        seen = Counter(json.loads(done.stdout))
        system, ledger = _counted(log.read_text(encoding="utf-8", errors="replace"), f"{folder}/disk")
    return seen, system, ledger


def _counted(calls: str, root: str) -> tuple[Counter[str], Counter[str]]:
    system: Counter[str] = Counter()
    ledger: Counter[str] = Counter()
    active = False
    for line in calls.splitlines():
        active = (active or _BEGIN in line) and _END not in line
        call = _CALL.match(line)
        if not active or call is None or call[1] not in _KIND_OF or root not in call[2]:
            continue
        kind = "rmdir" if "AT_REMOVEDIR" in call[2] else _KIND_OF[call[1]]
        if kind == "fdatasync":
            ledger[call[2].rpartition("/")[2].rstrip(">")] += 1
        elif "ledger.sqlite" not in call[2]:
            system[kind] += 1
    return system, ledger


def _main(name: str, folder: str) -> None:
    from tests.kill_points.scenarios import SCENARIOS

    (size,) = (size for size in SCENARIOS if size.kind.name == name)
    scenario = size.kind(Path(folder))
    scenario.observer = Observer(scenario.root, every=0)
    with observed(scenario.observer):
        _mark(_BEGIN)
        scenario.act()
        _mark(_END)
    print(json.dumps({**scenario.observer.counts(), "flushed commits": scenario.observer.flushed_commits}))


def _mark(name: str) -> None:
    with suppress(FileNotFoundError):
        os.stat(name)


if __name__ == "__main__":
    _main(*sys.argv[1:])
