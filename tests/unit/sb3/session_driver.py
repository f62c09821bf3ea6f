"""Runs one training session in its own process, for tests: WORKING SESSION STOP_AT TARGET [ALGORITHM]."""

import os
import signal
import sys
from pathlib import Path

from tiny_world import bench, spec_of, tiny_world

from orchestrator.sb3.loop import train


def main(working: str, session: str, stop_at: str, target: str, algorithm: str = "DQN") -> None:
    test_bench = bench(Path(working), spec_of(algorithm, target_steps=int(target)), session=int(session))
    test_bench.stop.listen()
    world = tiny_world(at_steps=int(stop_at) or None, act=lambda: os.kill(os.getpid(), signal.SIGTERM))
    result = train(test_bench.context, test_bench.plan, world)
    test_bench.context.reporter.close()
    print(result.ending, result.training.steps)


main(*sys.argv[1:])
