"""The card's own keys, and parts of studies without a simulation."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from orchestrator.kernel.schema import read
from validation_ch7.section_7_7_robustness.conditions.family import Condition
from validation_ch7.section_7_7_robustness.estimates import Row
from validation_ch7.section_7_7_robustness.evaluation.hours import Hours
from validation_ch7.section_7_7_robustness.schema import Schema

CARD = Path(__file__).parents[4] / "configs/sections/section_7_7.yaml"


@functools.cache
def own_keys() -> Schema:
    plain = yaml.safe_load(CARD.read_text(encoding="utf-8"))
    return read(Schema, {name: plain[name] for name in ("environment", "study", "criteria")}, place="")


def environment(**changes: float) -> dict[str, float]:
    return {**dataclasses.asdict(own_keys().environment), **changes}


def hours(delays_s: list[float] | np.ndarray) -> Hours:
    """Hours with these delays and nothing unusual."""
    delays = np.asarray(delays_s, dtype=np.float64)
    same = np.ones_like(delays)
    return Hours(
        arrived_veh=1000.0 * same,
        delay_s_per_veh=delays,
        worst_approach_s_per_veh=1.3 * delays,
        throughput=0.98 * same,
        n_switches=100.0 * same,
        n_forced_switches=0.0 * same,
    )


def bare_row(condition: Condition, controller: str, **changes: Any) -> Row:
    """A row without numbers, for figures and tables."""
    values: dict[str, Any] = {
        "n_policies": int(controller.startswith("rl")),
        "n_hours": 12,
        "delay_s": None,
        "ratio": None,
        "largest_hour_ratio": None,
        "hardest_ratio": None,
        "better": None,
        "worst_approach_s": 30.0,
        "throughput": 0.98,
        "n_forced_switches": 0.0,
    }
    return Row(condition=condition, controller=controller, **{**values, **changes})
