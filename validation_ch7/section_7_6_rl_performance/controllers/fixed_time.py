"""Fixed-time control: a constant green for each axis, independent of traffic."""

from __future__ import annotations

import numpy as np

from validation_ch7.section_7_6_rl_performance.controllers.interface import (
    CLASSICAL_RESOLUTION_S,
    Phases,
    Setting,
    WithoutMemory,
    green_s,
    switched_where,
)
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.signal.two_phase import NORTH_SOUTH


class FixedTimeController(WithoutMemory):
    """Switches after a fixed green; it needs no state, since the signal counts its green.

    Args:
        green_ns_s: Green for north-south in whole seconds.
        green_ew_s: Green for east-west in whole seconds.

    Raises:
        ValueError: A green is not a whole number of seconds above zero.
    """

    resolution_s = CLASSICAL_RESOLUTION_S

    def __init__(self, green_ns_s: Setting, green_ew_s: Setting) -> None:
        for green in (green_ns_s, green_ew_s):
            if np.any(green <= 0) or np.any(green != np.floor(green)):
                raise ValueError(f"a green of {green} s is not a whole number of seconds above zero")
        self.name = "fixed_time"
        self.green_ns_s = green_ns_s
        self.green_ew_s = green_ew_s

    def decide(self, simulation: CrossingSimulation) -> Phases:
        """Switch when the current phase has had its green."""
        planned_s = np.where(simulation.signal.phase == NORTH_SOUTH, self.green_ns_s, self.green_ew_s)
        return switched_where(simulation, green_s(simulation) >= planned_s)
