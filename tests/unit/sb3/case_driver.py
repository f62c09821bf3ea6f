"""Runs one session of a case that prints a line per environment step, for tests that kill it: WORKING CASE."""

import sys
from pathlib import Path

from cut_trainings import TARGET_STEPS
from tiny_single import world_of
from tiny_world import bench, spec_of

from orchestrator.sb3.loop import train


def main(working: str, case: str) -> None:
    changes = {"target_steps": TARGET_STEPS, "checkpoint_every_steps": 60, "evaluate_every_steps": 150}
    test_bench = bench(Path(working), spec_of(case, **changes))
    train(test_bench.context, test_bench.plan, world_of(case, lambda steps: print("step", flush=True)))


main(*sys.argv[1:])
