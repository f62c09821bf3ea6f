"""Kills at every point of every scenario and prints one table: `make prove-kills`, `python -m tests.kill_points run`.

The exit code is 0 only if nothing was lost, duplicated or wrong.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.kill_points.http_requests import killed_at_requests
from tests.kill_points.kernel_session import KernelSession, injected, no_space
from tests.kill_points.proof import COLUMNS, Proof, Row
from tests.kill_points.running import Run
from tests.kill_points.scenarios import SCENARIOS, Size
from tests.kill_points.sigkill import killed_for_real

_SHOWN = 3


def main(words: Sequence[str] | None = None) -> int:
    """Prove and print; returns the exit code."""
    wanted = _arguments(words)
    print(line(COLUMNS))
    print(line(["---"] * len(COLUMNS)), flush=True)
    rows, began_s = [], time.monotonic()
    for size in SCENARIOS:
        if not wanted.scenarios or size.kind.name in wanted.scenarios:
            for row in every_proof(size, pairs=wanted.pairs or size.pairs, every=wanted.every):
                rows.append(row)
                print(line(row.cells()), flush=True)
    print(f"\n{conclusion(rows)}, {time.monotonic() - began_s:.0f} s")
    for row in rows:
        for kind, where, text in row.faults[: wanted.shown]:
            print(f"\n{row.name}: {kind}, {where}\n  {text}")
    return 1 if any(row.faults for row in rows) else 0


def every_proof(size: Size, *, pairs: int, every: int) -> Iterator[Row]:
    """The rows of one scenario."""
    yield proven(size, pairs=pairs, every=every)
    if size.real:
        with scratch() as folder:
            yield killed_for_real(size.kind, folder, every=size.real)
    if size.kind is KernelSession:
        yield from failing_saves()
    if size.kind is Run:
        with scratch() as folder:
            yield killed_at_requests(folder)


def proven(size: Size, *, pairs: int, every: int = 1) -> Row:
    """The proof of one scenario."""
    with scratch() as folder:
        return Proof(size.kind(folder), pairs=pairs, every=every).run()


def failing_saves(every: int = 1) -> Iterator[Row]:
    """The session on a disk that is full from some moment on, or at one moment; and without memory at one moment."""
    for name, fault, lasting in (
        ("kernel, disk full", no_space, True),
        ("kernel, disk full once", no_space, False),
        ("kernel, out of memory", MemoryError, False),
    ):
        with scratch() as folder:
            yield injected(KernelSession, folder, name, fault, lasting=lasting, every=every)


@contextmanager
def scratch() -> Iterator[Path]:
    """An empty folder, on a disk in memory where there is one."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="kill-points-", dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def line(cells: Sequence[str]) -> str:
    """One line of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def conclusion(rows: Sequence[Row]) -> str:
    """All rows in one sentence."""
    kills, pairs, cuts = (sum(getattr(row, name) for row in rows) for name in ("kills", "pairs", "cuts"))
    lost, duplicated, wrong = (sum(row.count(kind) for row in rows) for kind in COLUMNS[-3:])
    found = f"{lost} lost, {duplicated} duplicated, {wrong} wrong"
    return f"{kills} kills, {pairs} second kills and {cuts} power cuts: {found}"


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    names = [size.kind.name for size in SCENARIOS]
    parser = argparse.ArgumentParser(prog="python -m tests.kill_points", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"default: all of {', '.join(names)}")
    parser.add_argument("--pairs", type=int, default=0, help="try every n-th second kill")
    parser.add_argument("--every", type=int, default=1, help="continue from every n-th state")
    parser.add_argument("--shown", type=int, default=_SHOWN, help="faults to print for each scenario")
    wanted = parser.parse_args(words)
    if unknown := sorted(set(wanted.scenarios) - set(names)):
        parser.error(f"unknown: {', '.join(unknown)}; give some of {', '.join(names)}")
    return wanted


if __name__ == "__main__":
    sys.exit(main())
