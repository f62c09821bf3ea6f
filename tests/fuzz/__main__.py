"""Fuzzes every reader and prints a table: `make prove-fuzz`, or `python -m tests.fuzz events log --seconds 60`.

With atheris (extra `fuzz`) the inputs are guided by the coverage of the package. Without it they are drawn by
hypothesis. The exit code is 0 only if nothing crashed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from random import Random

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as with_seed
from hypothesis import strategies as st

from tests.conftest import PROJECT_ROOT
from tests.fuzz.kind import Kind
from tests.fuzz.kinds import KINDS
from tests.fuzz.mutation import mutated
from tests.fuzz.trying import HANGS_S, KEPT, Tally, try_input

_START_S = 120.0
"""For the imports of the process, which are instrumented, on a machine with other work."""

_OFTEN = settings(
    max_examples=500, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)


def main(words: Sequence[str] | None = None) -> int:
    """Fuzz and print; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("kinds", nargs="*", help=f"one of: {', '.join(KINDS)}")
    parser.add_argument("--seconds", type=float, default=30.0, help="for each kind")
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args(words)
    if unknown := set(wanted.kinds) - set(KINDS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; kinds are {', '.join(KINDS)}")
    guided = importlib.util.find_spec("atheris") is not None
    drawn = "drawn by hypothesis: atheris is not installed (extra `fuzz`)"
    how = "guided by coverage (atheris)" if guided else drawn
    print(f"Inputs {how}; {wanted.seconds:.0f} s for each kind, seed {wanted.seed}\n")
    print("| kind | inputs | refused | crashes |\n|---|---:|---:|---:|")
    KEPT.mkdir(exist_ok=True)
    tallies = []
    for name in wanted.kinds or KINDS:
        tallies.append((_guided if guided else _drawn)(KINDS[name], wanted.seconds, wanted.seed))
        print(_row(tallies[-1]), flush=True)
    total = Tally("all", sum(one.inputs for one in tallies), sum(one.refused for one in tallies))
    crashes = [crash for one in tallies for crash in one.crashes.values()]
    print(f"| {total.kind} | {total.inputs:,} | {total.refused:,} | {len(crashes)} |")
    for crash in crashes:
        print(f"{KEPT.name}/{crash}")
    return 1 if crashes else 0


def _row(tally: Tally) -> str:
    return f"| {tally.kind} | {tally.inputs:,} | {tally.refused:,} | {len(tally.crashes)} |"


def _guided(kind: Kind, seconds: float, seed: int) -> Tally:
    command = [sys.executable, "-m", "tests.fuzz.coverage", kind.name, str(seconds), str(seed)]
    try:
        limit_s = seconds + _START_S + HANGS_S
        done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False, timeout=limit_s)
    except subprocess.TimeoutExpired:
        return Tally(kind.name, crashes={"process": f"the process hangs: no end after {limit_s:.0f} s"})
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        log = KEPT / f"{kind.name.replace(' ', '-')}.log"
        log.write_text(done.stderr, encoding="utf-8")
        return Tally(kind.name, crashes={"process": f"{log.name}: the process ended with {done.returncode}"})
    plain = json.loads(lines[-1])
    return Tally(kind.name, plain["inputs"], plain["refused"], plain["crashes"])


def _drawn(kind: Kind, seconds: float, seed: int) -> Tally:
    tally, ends_s, number = Tally(kind.name), time.monotonic() + seconds, 0
    while time.monotonic() < ends_s:

        @with_seed(seed * 1_000_003 + number)
        @_OFTEN
        @given(st.sampled_from(kind.seeds), st.randoms(use_true_random=False))
        def batch(example: bytes, rng: Random) -> None:
            content = mutated(example, rng)  # always: hypothesis needs the same draws again
            if time.monotonic() < ends_s:
                try_input(kind, content, tally)

        batch()
        number += 1
    return tally


if __name__ == "__main__":
    raise SystemExit(main())
