"""Cuts short trainings of every algorithm at random steps, one cut by kill -9, and prints one table.

`make prove-algorithms`, or `python -m tests.proofs PPO SAC --seed 7`. The exit code is 0 only if every row is exact.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.proofs.proving import Case, Proven, prove
from tests.proofs.train import BUILDERS

COLUMNS = (
    *("algorithm", "environment", "steps", "sessions", "cuts", "kill -9", "grade", "policy equal"),
    *("first difference", "seconds"),
)
_LONGER = {"ARS": 4}
"""Algorithms whose boundaries lie hundreds of steps apart -> how many times longer they are trained."""


def main(words: Sequence[str] | None = None) -> int:
    """Prove and print; returns the exit code."""
    wanted = _arguments(words)
    cases = [
        Case(algorithm=name, environment=environment, **_sizes(wanted, name))
        for name, environment in BUILDERS
        if name in (wanted.algorithms or [name]) and wanted.env in (None, environment)
    ]
    if not cases:
        print(f"no training of {', '.join(wanted.algorithms)} in {wanted.env}", file=sys.stderr)
        return 2
    print(f"{len(cases)} trainings, cuts drawn with seed {wanted.seed} (--seed {wanted.seed} repeats them)\n")
    print(line(COLUMNS))
    print(line(["---"] * len(COLUMNS)))
    proofs = []
    with tempfile.TemporaryDirectory(prefix="prove-algorithms-") as scratch, ThreadPoolExecutor(wanted.jobs) as pool:
        folders = [Path(scratch) / str(number) for number in range(len(cases))]
        for proven in pool.map(prove, cases, folders):
            print(line(proven.row()), flush=True)
            proofs.append(proven)
    print(f"\n{conclusion(proofs)}")
    return 0 if all(proven.is_exact for proven in proofs) else 1


def line(cells: Iterable[str]) -> str:
    """One line of a Markdown table."""
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def conclusion(proofs: Sequence[Proven]) -> str:
    """How many trainings resume exactly, and which do not."""
    others = [f"{one.case.algorithm} in {one.case.environment}" for one in proofs if not one.is_exact]
    text = f"{len(proofs) - len(others)} of {len(proofs)} trainings resume exactly"
    return text if not others else f"{text}; not exact: {', '.join(others)}"


def _sizes(wanted: argparse.Namespace, algorithm: str) -> dict[str, int]:
    longer = _LONGER.get(algorithm, 1)
    return {"steps": wanted.steps * longer, "cuts": wanted.cuts, "kills": wanted.kills, "seed": wanted.seed}


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    names = sorted({name for name, _ in BUILDERS})
    parser = argparse.ArgumentParser(prog="python -m tests.proofs", description=__doc__)
    parser.add_argument("algorithms", nargs="*", metavar="ALGORITHM", help=f"default: all of {', '.join(names)}")
    parser.add_argument("--env", help="only this environment")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--cuts", type=int, default=2)
    parser.add_argument("--kills", type=int, default=1)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="proofs at the same time")
    wanted = parser.parse_args(words)
    unknown = sorted(set(wanted.algorithms) - set(names))
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; give some of {', '.join(names)}")
    return wanted


if __name__ == "__main__":
    sys.exit(main())
