"""Green for the axis with the larger weight; a minimum green and a hysteresis limit the number of changes."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from validation_ch7.section_7_6_rl_performance.controllers.interface import (
    CLASSICAL_RESOLUTION_S,
    Phases,
    Setting,
    WithoutMemory,
    green_s,
    switched_where,
)
from validation_ch7.traffic.env.detectors import by_axis
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.arz import Floats
from validation_ch7.traffic.signal.two_phase import NORTH_SOUTH


class GreatestFirst(WithoutMemory, ABC):
    """Decides by a weight for each approach, which subclasses define.

    Args:
        min_green_s: Least green before a change, in s.
        hysteresis_veh: A change needs a weight of the other axis that is larger by more than this, in vehicles.

    Raises:
        ValueError: A value is negative.
    """

    resolution_s = CLASSICAL_RESOLUTION_S
    name: str

    def __init__(self, *, min_green_s: Setting, hysteresis_veh: Setting) -> None:
        if np.min(min_green_s) < 0.0 or np.min(hysteresis_veh) < 0.0:
            raise ValueError(f"min_green_s = {min_green_s} and hysteresis_veh = {hysteresis_veh} must not be negative")
        self.min_green_s = min_green_s
        self.hysteresis_veh = hysteresis_veh

    def decide(self, simulation: CrossingSimulation) -> Phases:
        """Switch if the other axis' weight is larger by more than the hysteresis, after the minimum green."""
        ns, ew = by_axis(self._weight_veh(simulation))
        lead_veh = np.where(simulation.signal.phase == NORTH_SOUTH, ew - ns, ns - ew)
        ready = green_s(simulation) >= self.min_green_s
        return switched_where(simulation, ready & (lead_veh > self.hysteresis_veh))

    @abstractmethod
    def _weight_veh(self, simulation: CrossingSimulation) -> Floats:
        """Weight of each approach, shape (batch, 4), vehicles."""
