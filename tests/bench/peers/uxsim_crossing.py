"""UXsim, in Python or compiled: the signal set at every decision, or a whole hour with a fixed plan in one call."""

from __future__ import annotations

import json
import sys
from typing import Any

from core_time import Timed
from uxsim import World

ARMS = {"N": (0, 1), "S": (0, -1), "E": (1, 0), "W": (-1, 0)}
OPPOSITE = {"N": "S", "S": "N", "E": "W", "W": "E"}


def crossing(task: dict[str, Any]) -> Any:
    """A new world with platoons of `deltan` vehicles and time steps of `deltan` seconds."""
    world = World(
        name="x1",
        deltan=task["deltan"],
        reaction_time=1,
        tmax=task["hour_s"],
        print_mode=0,
        save_mode=0,
        show_mode=0,
        random_seed=1,
        vehicle_logging_timestep_interval=-1,
        cpp=bool(task["cpp"]),
    )
    world.addNode("C", 0, 0, signal=plan(task))
    shape = {"length": task["link_m"], "free_flow_speed": task["speed_m_s"], "jam_density": task["jam_veh_m"]}
    for arm, (x, y) in ARMS.items():
        world.addNode(arm, x * task["link_m"], y * task["link_m"])
        world.addLink(f"{arm}_in", arm, "C", signal_group=0 if arm in "NS" else 2, **shape)
        world.addLink(f"{arm}_out", "C", arm, **shape)
    for arm in ARMS:
        rate_veh_h = task["ns_veh_h"] if arm in "NS" else task["ew_veh_h"]
        world.adddemand(arm, OPPOSITE[arm], 0, task["hour_s"], flow=rate_veh_h / 3600.0)
    world.finalize_scenario()
    return world


def change_s(task: dict[str, Any]) -> float:
    """The change interval as a whole number of steps, at least one: with platoons of 5 a step is 5 s."""
    step_s = task["deltan"]
    return float(max(step_s, round(task["change_s"] / step_s) * step_s))


def plan(task: dict[str, Any]) -> list[float]:
    """Durations of the phases north-south, all red, east-west, all red; endless if each decision sets the signal."""
    if task["by_decision"]:
        return [1e9] * 4
    step_s, closed_s = task["deltan"], change_s(task)
    green_s = task["switch_every"] * task["decision_s"] - closed_s
    return [green_s - step_s, closed_s - step_s] * 2  # UXsim makes a phase one step longer than requested


def hour(world: Any, task: dict[str, Any]) -> int:
    """Simulate an hour of alternating greens; returns the number of decisions."""
    decision_s, closed_s = task["decision_s"], change_s(task)
    decisions = int(task["hour_s"] // decision_s)
    if not task["by_decision"]:
        world.exec_simulation()
        return decisions
    light = world.get_node("C")
    for decision in range(decisions):
        phase, rest = divmod(decision, int(task["switch_every"]))
        if rest == 0 and decision:
            light.signal_phase = 3 if phase % 2 == 0 else 1
            world.exec_simulation(duration_t2=closed_s)
            light.signal_phase = 0 if phase % 2 == 0 else 2
            world.exec_simulation(duration_t2=decision_s - closed_s)
        else:
            world.exec_simulation(duration_t2=decision_s)
    return decisions


def main(task: dict[str, Any]) -> dict[str, object]:
    decisions, spent, world = 0, Timed(), None
    while spent.wall_s < task["seconds"]:
        world = crossing(task)
        with spent:
            decisions += hour(world, task)
    found = {}
    if task["measure_delay"]:
        world.analyzer.basic_analysis()
        found = {
            "vehicles": float(world.analyzer.trip_completed),
            "delay_s": float(world.analyzer.average_delay),
        }
    return {"decisions": decisions, "core_s": spent.core_s, "wall_s": spent.wall_s, **found}


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
