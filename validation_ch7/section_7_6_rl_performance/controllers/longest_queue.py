"""Longest queue first: green for the axis with more vehicles standing before its stop lines."""

from __future__ import annotations

from validation_ch7.section_7_6_rl_performance.controllers.greatest_first import GreatestFirst
from validation_ch7.traffic.env.detectors import standing_veh
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.arz import Floats


class LongestQueueController(GreatestFirst):
    """Weighs the standing-equivalent vehicles before the stop lines.

    Args:
        min_green_s: No change before that much green, in s.
        hysteresis_veh: By how many vehicles the other axis must weigh more.

    Raises:
        ValueError: A value is negative.
    """

    name = "longest_queue"

    def _weight_veh(self, simulation: CrossingSimulation) -> Floats:
        return standing_veh(simulation)
