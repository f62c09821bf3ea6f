"""Max pressure: green for the phase with the greatest pressure, vehicles upstream less vehicles downstream.

Source: P. Varaiya, Max pressure control of a network of signalized intersections, Transportation Research Part C
36:177-195, 2013. The saturation flows of all movements are equal here and drop out. The original decides anew in
every slot without a price for changing; the hysteresis is that price.
"""

from __future__ import annotations

from validation_ch7.section_7_6_rl_performance.controllers.greatest_first import GreatestFirst
from validation_ch7.traffic.env.detectors import exit_veh, upstream_veh
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.arz import Floats


class MaxPressureController(GreatestFirst):
    """Weighs all vehicles on an approach, moving or not, less those on the exit it leads to.

    Args:
        min_green_s: No change before that much green, in s.
        hysteresis_veh: By how many vehicles the other axis must weigh more.

    Raises:
        ValueError: A value is negative.
    """

    name = "max_pressure"

    def _weight_veh(self, simulation: CrossingSimulation) -> Floats:
        return upstream_veh(simulation) - exit_veh(simulation)
