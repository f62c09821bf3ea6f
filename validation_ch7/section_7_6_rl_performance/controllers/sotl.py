"""Self-organizing traffic lights (SOTL-platoon): a red light counts the vehicles before it, and asks for green.

Source: C. Gershenson, Self-organizing traffic lights, Complex Systems 16:29-53, 2005; S.-B. Cools, C. Gershenson and
B. D'Hooghe, Self-Organizing Traffic Lights: A Realistic Simulation, in Advances in Applied Self-Organizing Systems,
2nd ed., Springer, 2013. Their rule: at each time step, a counter `kappa` adds the vehicles that approach the red light
or wait before it within a distance `rho`. Once `kappa` reaches the threshold `theta`, and after the minimum green, the
light changes and the counter starts from 0, unless a platoon is passing: while some vehicles, but no more than `mu`,
are within a short distance `omega` before the green light, the change waits. Here `rho` is 80 m and `mu` 3 vehicles.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from validation_ch7.section_7_6_rl_performance.controllers.interface import (
    CLASSICAL_RESOLUTION_S,
    Phases,
    Setting,
    green_s,
    switched_where,
)
from validation_ch7.traffic.env.detectors import by_axis, near_veh
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.arz import Floats
from validation_ch7.traffic.model.demand import ScenarioAddress
from validation_ch7.traffic.signal.two_phase import NORTH_SOUTH

_COUNTED_M = 80.0
_LARGEST_KEPT_VEH = 3.0
# A continuum model has fractions of vehicles; half a vehicle counts as one, as in actuated control.
_SOME_VEH = 0.5


class SotlController:
    """Counts vehicle-seconds before the red light; both approaches of an axis count together.

    Args:
        threshold_veh_s: `theta`, in vehicle-seconds.
        platoon_m: `omega`, the distance before the green light in which a platoon is seen, in m; rounded to whole
            cells, at least one.

    Raises:
        ValueError: A value is not positive.
    """

    resolution_s = CLASSICAL_RESOLUTION_S

    def __init__(self, *, threshold_veh_s: Setting, platoon_m: Setting) -> None:
        if np.min(threshold_veh_s) <= 0.0 or np.min(platoon_m) <= 0.0:
            raise ValueError(f"threshold_veh_s = {threshold_veh_s} and platoon_m = {platoon_m} must be positive")
        self.name = "sotl"
        self.threshold_veh_s = threshold_veh_s
        self.platoon_m = platoon_m
        self._distances_m = np.unique(platoon_m)
        self._counted_veh_s: Floats = np.zeros(0)
        self._green_for: Phases = np.zeros(0, dtype=np.int64)

    def begin(self, addresses: Sequence[ScenarioAddress]) -> None:
        """Set the counter of every scenario to 0."""
        self._counted_veh_s = np.zeros(len(addresses))
        self._green_for = np.full(len(addresses), NORTH_SOUTH, dtype=np.int64)

    def decide(self, simulation: CrossingSimulation) -> Phases:
        """Count, then switch where the counter has reached the threshold and no platoon is passing."""
        phase = simulation.signal.phase
        changed = phase != self._green_for  # by this controller, or by the maximum green
        self._green_for = phase.copy()
        ns_veh, ew_veh = by_axis(near_veh(simulation, _COUNTED_M))
        on_red_veh = np.where(phase == NORTH_SOUTH, ew_veh, ns_veh)
        counted_veh_s = np.where(changed, 0.0, self._counted_veh_s) + on_red_veh * self.resolution_s
        self._counted_veh_s = counted_veh_s
        passing_veh = self._passing_veh(simulation)
        platoon = (passing_veh >= _SOME_VEH) & (passing_veh <= _LARGEST_KEPT_VEH)
        ready = green_s(simulation) >= simulation.settings.min_green_s
        return switched_where(simulation, ready & (counted_veh_s >= self.threshold_veh_s) & ~platoon)

    def _passing_veh(self, simulation: CrossingSimulation) -> Floats:
        """Vehicles close to the green light, shape (batch,)."""
        north_south = simulation.signal.phase == NORTH_SOUTH
        passing_veh = np.zeros(simulation.batch)
        least_m = simulation.settings.traffic.dx_m
        for reach_m in self._distances_m:
            ns_veh, ew_veh = by_axis(near_veh(simulation, max(least_m, float(reach_m))))
            of_these = np.broadcast_to(np.equal(self.platoon_m, reach_m), passing_veh.shape)
            passing_veh[of_these] = np.where(north_south, ns_veh, ew_veh)[of_these]
        return passing_veh
