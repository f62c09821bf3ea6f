"""sumo-rl, one decision at a time, over TraCI or, with LIBSUMO_AS_TRACI, in this process."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from core_time import Timed
from sumo_crossing import statistics, statistics_words
from sumo_rl_environment import make


def hour(env: Any, task: dict[str, Any]) -> int:
    """Run an episode of alternating greens; returns the number of decisions."""
    done, made = False, 0
    while not done:
        *_, done, _ = env.step(made // int(task["switch_every"]) % 2)
        made += 1
    return made


def main(task: dict[str, Any]) -> dict[str, object]:
    decisions, spent = 0, Timed()
    with tempfile.TemporaryDirectory() as scratch:
        env = make(Path(scratch), task)
        while spent.wall_s < task["seconds"]:
            env.reset()
            with spent:
                decisions += hour(env, task)
        env.close()
        found = {}
        if task["measure_delay"]:  # in a separate hour, because statistics slow SUMO down
            path = Path(scratch) / "statistics.xml"
            env = make(Path(scratch), task, statistics_words(path))
            env.reset()
            hour(env, task)
            env.close()
            found = statistics(path)
    return {"decisions": decisions, "core_s": spent.core_s, "wall_s": spent.wall_s, **found}


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):  # SUMO prints a greeting to standard output
        answer = main(json.loads(sys.argv[1]))
    print(json.dumps(answer))
