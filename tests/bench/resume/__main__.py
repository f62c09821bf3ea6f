"""Prints one table: who ends with the policy of the uncut training? Run by `make bench-resume`.

Each way to resume trains uncut and cut at half of the steps, every session in its own process; its own uncut training
is what its cut one is compared with. Peers run in their own environments (`make bench-peers`); one that is missing or
fails has a row that says so.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

from tests.bench.resume.trainings import TRAININGS
from tests.bench.resume.ways import End, Way, steps_of

WAYS = (
    Way(name="model.save, load", method="load"),
    Way(name="the same + replay buffer, VecNormalize", method="practice"),
    Way(name="RL Zoo: train -i", method="zoo", environment="rl_zoo3"),
    Way(name="TorchRL: Checkpoint", method="torchrl", environment="torchrl"),
    Way(name="run.sb3", method="ours"),
)


def main() -> int:
    """Train and print; the exit code is 0 only if `run.sb3` reproduces every policy."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.resume", description=__doc__)
    parser.add_argument("trainings", nargs="*", metavar="TRAINING", help=f"default: all of {', '.join(TRAININGS)}")
    wanted = parser.parse_args().trainings or list(TRAININGS)
    exact = True
    print("| training | resumed by | uncut policy | cut policy | equal | max abs(dw) | reward uncut, cut |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="bench-resume-") as scratch:
        for name in wanted:
            for number, way in enumerate(WAYS):
                cells, equal = compared(way, name, Path(scratch) / name / str(number))
                exact &= equal or way.method != "ours"
                print(f"| {name}, {steps_of(TRAININGS[name])} | {way.name} | {cells} |", flush=True)
    return 0 if exact else 1


def compared(way: Way, name: str, folder: Path) -> tuple[str, bool]:
    """Cells of one row, and whether the two policies are equal."""
    if not way.is_installed:
        return "not installed: make bench-peers | - | - | - | -", False
    try:
        uncut, cut = way.ends(name, folder)
    except (RuntimeError, OSError) as fault:
        return f"failed: {fault} | - | - | - | -".replace("\n", " "), False
    equal = uncut.digest == cut.digest
    largest = float(np.abs(uncut.weights - cut.weights).max())
    rewards = ", ".join(reward_of(end) for end in (uncut, cut))
    word = "**yes**" if equal else "no"
    return f"`{uncut.digest[:8]}` | `{cut.digest[:8]}` | {word} | {largest:.3g} | {rewards}", equal


def reward_of(end: End) -> str:
    """Mean reward of the last episodes."""
    return "-" if end.reward is None else f"{end.reward:.1f}"


if __name__ == "__main__":
    sys.exit(main())
