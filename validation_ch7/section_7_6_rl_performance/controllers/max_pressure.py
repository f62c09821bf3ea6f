"""Max pressure: green for the phase with the greatest pressure, vehicles upstream minus vehicles downstream.

Source: P. Varaiya, Max pressure control of a network of signalized intersections, Transportation Research Part C
36:177-195, 2013. All saturation flows are equal here and cancel out. The original decides in every slot and has no
cost of a change; here the hysteresis represents that cost.
"""

from __future__ import annotations

from validation_ch7.section_7_6_rl_performance.controllers.greatest_first import GreatestFirst
from validation_ch7.traffic.env.detectors import exit_veh, upstream_veh
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.arz import Floats


class MaxPressureController(GreatestFirst):
    """The weight of an approach is its number of vehicles, moving or not, minus that of the exit it leads to.

    Args:
        min_green_s: Least green before a change, in s.
        hysteresis_veh: A change needs a weight of the other axis that is larger by more than this, in vehicles.

    Raises:
        ValueError: A value is negative.
    """

    name = "max_pressure"

    def _weight_veh(self, simulation: CrossingSimulation) -> Floats:
        return upstream_veh(simulation) - exit_veh(simulation)
