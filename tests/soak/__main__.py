"""`python -m tests.soak`: 72 virtual hours and at least 200 sessions under faults; exit code 1 if a bound is missed."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.soak.computer import Plan
from tests.soak.measures import growing, table
from tests.soak.soak import Soak, Soaked

HOURS, SESSIONS, RATE = 72.0, 200, 0.05
LONG = Plan(gpu_trials=6, cpu_trials=9, target_steps=1760, session_s=3600.0, quota_h=40.0)


def main() -> int:
    """Run the soak with each seed, and an undisturbed one to compare with."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("seeds", nargs="*", type=int, default=[1], help="seeds of the faults")
    parser.add_argument("--hours", type=float, default=HOURS)
    parser.add_argument("--rate", type=float, default=RATE, help="share of calls, sessions and ticks that meet a fault")
    parser.add_argument("--every-s", type=float, default=120.0, help="seconds between two ticks")
    parser.add_argument("--untraced", action="store_true", help="twice as fast, without the program's own memory")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        undisturbed = Soak(Path(folder), LONG, hours=0.0, seed=0, rate=0.0, sampled_every_h=1e9, every_s=600.0).run()
    print(f"undisturbed: {_figures(undisturbed)}", *undisturbed.wrongs, sep="\n  ")
    missed = bool(undisturbed.wrongs)
    for seed in given.seeds:
        with tempfile.TemporaryDirectory() as folder:
            soak = Soak(Path(folder), LONG, given.hours, seed, given.rate, every_s=given.every_s, say=_progress)
            soak.traced = not given.untraced
            missed |= _report(seed, soak.run(), undisturbed)
    return int(missed)


def _report(seed: int, soaked: Soaked, undisturbed: Soaked) -> bool:
    """Print a soak; whether something was wrong."""
    wrongs = [*soaked.wrongs, *growing(soaked.samples)]
    if soaked.policies != undisturbed.policies:
        wrongs.append("the final policies differ from those of the undisturbed campaign")
    if len(soaked.service.kernels) < SESSIONS:
        wrongs.append(f"{len(soaked.service.kernels)} sessions are too few, {SESSIONS} were to be run")
    print(f"seed {seed}: {_figures(soaked)}", *table(soaked.samples), sep="\n  ")
    print("faults:", ", ".join(f"{name} {count}" for name, count in sorted(soaked.service.faults.items()) if count))
    print(
        *(f"WRONG: {one}" for one in wrongs),
        "nothing lost, nothing doubled, nothing grew" if not wrongs else "",
        sep="\n",
    )
    return bool(wrongs)


def _figures(soaked: Soaked) -> str:
    service = soaked.service
    return (
        f"{soaked.hours:.1f} virtual hours, {len(service.kernels)} sessions, {soaked.ticks} ticks and {soaked.kills} "
        f"killed ones, {service.calls} calls, {sum(service.faults.values())} faults, in {soaked.lasted_s:.0f} s"
    )


def _progress(line: str) -> None:
    print(f"  {line}", end="\r", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
