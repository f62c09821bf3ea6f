"""Runs one session that prints a line per environment step, for tests that kill it: WORKING ALGORITHM TARGET."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from tiny_world import TinyVecEnv, bench, spec_of, tiny_world

from orchestrator.sb3.loop import train


class PrintingVecEnv(TinyVecEnv):
    def step_wait(self) -> Any:
        print("step", flush=True)
        return super().step_wait()


def main(working: str, algorithm: str, target: str) -> None:
    spec = spec_of(algorithm, target_steps=int(target), checkpoint_every_steps=60, evaluate_every_steps=200)
    test_bench = bench(Path(working), spec)
    world = replace(
        tiny_world(), build_env=lambda lineage: PrintingVecEnv(lineage.hyper_parameters.n_envs, lineage.seed)
    )
    train(test_bench.context, test_bench.plan, world)


main(*sys.argv[1:])
