"""sumo-rl, a decision at a time; over TraCI, or in this process where LIBSUMO_AS_TRACI is set."""

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
    """Alternating greens until the episode is over; returns how many decisions it was."""
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
        if task["told"]:  # in an hour of its own: statistics cost SUMO a little
            told = Path(scratch) / "told.xml"
            env = make(Path(scratch), task, statistics_words(told))
            env.reset()
            hour(env, task)
            env.close()
            found = statistics(told)
    return {"decisions": decisions, "core_s": spent.core_s, "wall_s": spent.wall_s, **found}


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):  # SUMO greets everyone on standard output
        answer = main(json.loads(sys.argv[1]))
    print(json.dumps(answer))
