"""sumo-rl's own environment of the crossing, for the two programs that measure it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import sumo

# Read by sumo-rl while it is imported; so is LIBSUMO_AS_TRACI, which the bench sets or does not.
os.environ.setdefault("SUMO_HOME", sumo.SUMO_HOME)

from sumo_crossing import build
from sumo_rl import SumoEnvironment


def make(folder: Path, task: dict[str, Any], more_words: list[str] | None = None) -> Any:
    """The crossing as a single-agent gymnasium environment; its information is what it gives by default, or none."""
    network, demand = build(folder, task)
    told = bool(task.get("infos", True))
    return SumoEnvironment(
        net_file=network,
        route_file=demand,
        single_agent=True,
        num_seconds=int(task["hour_s"]),
        delta_time=int(task["decision_s"]),
        yellow_time=int(task["change_s"]),
        min_green=int(task["min_green_s"]),
        max_green=int(task["max_green_s"]),
        sumo_seed=1,
        sumo_warnings=False,
        add_system_info=told,
        add_per_agent_info=told,
        additional_sumo_cmd=" ".join(["--no-step-log", *(more_words or [])]),
    )
