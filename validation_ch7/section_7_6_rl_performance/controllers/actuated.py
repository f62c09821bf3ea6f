"""Actuated control: a green is extended as long as vehicles follow each other closely enough.

Source: FHWA, Traffic Signal Timing Manual (FHWA-HOP-08-024, 2008), ch. 5: minimum green, passage time (gap-out),
maximum green (max-out), and a change only where the conflicting phase has a call.
"""

from __future__ import annotations

import numpy as np

from validation_ch7.section_7_6_rl_performance.controllers.interface import (
    CLASSICAL_RESOLUTION_S,
    Phases,
    WithoutMemory,
    green_s,
    switched_where,
)
from validation_ch7.traffic.env.detectors import oncoming_veh_s, standing_veh
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.signal.two_phase import NORTH_SOUTH

ZONE_M = 30.0
# A continuum model has fractions of vehicles; half a standing vehicle counts as a call.
_CALL_VEH = 0.5


class ActuatedController(WithoutMemory):
    """Ends a green after a gap on both approaches of its axis or at the maximum green, if a vehicle waits on red.

    Args:
        gap_s: Longest mean headway within the detection zone of 30 m that extends the green, in s.
        max_green_s: Longest green while a vehicle waits on red, in s.

    Raises:
        ValueError: A time is not positive.
    """

    resolution_s = CLASSICAL_RESOLUTION_S

    def __init__(self, *, gap_s: float, max_green_s: float) -> None:
        if gap_s <= 0.0 or max_green_s <= 0.0:
            raise ValueError(f"gap_s = {gap_s} and max_green_s = {max_green_s} must be positive")
        self.name = "actuated"
        self.gap_s = gap_s
        self.max_green_s = max_green_s

    def decide(self, simulation: CrossingSimulation) -> Phases:
        """Switch after a gap or the maximum green, if a vehicle waits on red."""
        north_south = simulation.signal.phase == NORTH_SOUTH
        rate_veh_s, waiting_veh = oncoming_veh_s(simulation, ZONE_M), standing_veh(simulation)
        on_green = np.where(north_south, rate_veh_s[:, :2].max(axis=1), rate_veh_s[:, 2:].max(axis=1))
        on_red = np.where(north_south, waiting_veh[:, 2:].max(axis=1), waiting_veh[:, :2].max(axis=1))
        gapped_out = on_green * self.gap_s < 1.0
        maxed_out = green_s(simulation) >= self.max_green_s
        return switched_where(simulation, (on_red > _CALL_VEH) & (gapped_out | maxed_out))
