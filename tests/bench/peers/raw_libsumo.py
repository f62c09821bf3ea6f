"""SUMO in this process, without an environment: set the signal, then advance the time."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import libsumo
from core_time import Timed
from sumo_crossing import CHANGE, GREEN, build, statistics, statistics_words


def start(network: str, demand: str, *, meso: bool, more: list[str]) -> None:
    # Without junction control the mesoscopic model ignores traffic lights.
    model = ["--mesosim", "--meso-junction-control"] if meso else []
    quiet = ["--no-step-log", "--no-warnings"]
    plain = ["--seed", "1", "--time-to-teleport", "-1"]
    libsumo.start(["sumo", "-n", network, "-r", demand, *quiet, *plain, *model, *more])


def hour(task: dict[str, float]) -> int:
    """Simulate an hour of alternating greens; returns the number of decisions."""
    decision_s, change_s = int(task["decision_s"]), int(task["change_s"])
    decisions = int(task["hour_s"]) // decision_s
    libsumo.trafficlight.setRedYellowGreenState("C", GREEN[0])
    for decision in range(decisions):
        phase, rest = divmod(decision, int(task["switch_every"]))
        if rest == 0 and decision:
            libsumo.trafficlight.setRedYellowGreenState("C", CHANGE[1 - phase % 2])
            libsumo.simulationStep(decision * decision_s + change_s)
            libsumo.trafficlight.setRedYellowGreenState("C", GREEN[phase % 2])
        libsumo.simulationStep((decision + 1) * decision_s)
    return decisions


def main(task: dict[str, float]) -> dict[str, object]:
    meso, decisions, spent = bool(task["meso"]), 0, Timed()
    with tempfile.TemporaryDirectory() as scratch:
        network, demand = build(Path(scratch), task)
        while spent.wall_s < task["seconds"]:
            start(network, demand, meso=meso, more=[])
            with spent:
                decisions += hour(task)
            libsumo.close()
        found = {}
        if task["measure_delay"]:  # in a separate hour, because statistics slow SUMO down
            path = Path(scratch) / "statistics.xml"
            start(network, demand, meso=meso, more=statistics_words(path))
            hour(task)
            libsumo.close()
            found = statistics(path)
    return {"decisions": decisions, "core_s": spent.core_s, "wall_s": spent.wall_s, **found}


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
