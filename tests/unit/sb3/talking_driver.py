"""One session that tells of each step of its environment, to be killed at any of them: WORKING ALGORITHM TARGET."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from tiny_world import TinyVecEnv, bench, spec_of, tiny_world

from orchestrator.sb3.loop import train


class Talking(TinyVecEnv):
    def step_wait(self) -> Any:
        print("step", flush=True)
        return super().step_wait()


def main(working: str, algorithm: str, target: str) -> None:
    spec = spec_of(algorithm, target_steps=int(target), checkpoint_every_steps=60, evaluate_every_steps=200)
    outside = bench(Path(working), spec)
    world = replace(tiny_world(), build_env=lambda lineage: Talking(lineage.hyper_parameters.n_envs, lineage.seed))
    train(outside.context, outside.plan, world)


main(*sys.argv[1:])
