"""sumo-rl's own environment of the crossing, for the two programs that measure it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import sumo

# sumo-rl reads this at import, and also LIBSUMO_AS_TRACI, which the bench sets for some measurements.
os.environ.setdefault("SUMO_HOME", sumo.SUMO_HOME)

from sumo_crossing import build
from sumo_rl import SumoEnvironment


def make(folder: Path, task: dict[str, Any], more_words: list[str] | None = None) -> Any:
    """The crossing as a single-agent gymnasium environment, with its default infos or none (`infos` in the task)."""
    network, demand = build(folder, task)
    with_infos = bool(task.get("infos", True))
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
        add_system_info=with_infos,
        add_per_agent_info=with_infos,
        additional_sumo_cmd=" ".join(["--no-step-log", *(more_words or [])]),
    )
