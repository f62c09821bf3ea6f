"""Longest queue first: green for the axis with more standing vehicles before its stop lines."""

from __future__ import annotations

from validation_ch7.section_7_6_rl_performance.controllers.greatest_first import GreatestFirst
from validation_ch7.traffic.env.detectors import standing_veh
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.arz import Floats


class LongestQueueController(GreatestFirst):
    """The weight of an approach is its number of standing-equivalent vehicles before the stop line.

    Args:
        min_green_s: Least green before a change, in s.
        hysteresis_veh: A change needs a weight of the other axis that is larger by more than this, in vehicles.

    Raises:
        ValueError: A value is negative.
    """

    name = "longest_queue"

    def _weight_veh(self, simulation: CrossingSimulation) -> Floats:
        return standing_veh(simulation)
