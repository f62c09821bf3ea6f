"""What detectors beside the road measure, each of shape (batch, 4) by approach N, S, E, W.

All controllers, the learned one included, see a crossing through such counts and the signal alone.
"""

from __future__ import annotations

import numpy as np

from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.arz import Floats
from validation_ch7.traffic.numba_kernel.constants import N_APPROACHES


def standing_veh(simulation: CrossingSimulation) -> Floats:
    """Standing-equivalent vehicles: those in the entry queue, and each other by the share of `vf` that it lacks."""
    standing: Floats = simulation.traffic.count_vehicles(0.0)[0].T
    return standing


def near_veh(simulation: CrossingSimulation, reach_m: float) -> Floats:
    """Vehicles within `reach_m` before the stop line, in whole cells."""
    near: Floats = simulation.traffic.count_vehicles(reach_m)[1].T
    return near


def upstream_veh(simulation: CrossingSimulation) -> Floats:
    """All vehicles that have yet to pass the stop line, moving or not, entry queue included."""
    traffic = simulation.traffic
    return _by_approach(traffic.inside_veh[: N_APPROACHES * traffic.batch] + traffic.queue_veh)


def exit_veh(simulation: CrossingSimulation) -> Floats:
    """Vehicles on the exit that the approach leads to."""
    traffic = simulation.traffic
    return _by_approach(traffic.inside_veh[N_APPROACHES * traffic.batch :])


def oncoming_veh_s(simulation: CrossingSimulation, reach_m: float) -> Floats:
    """Rate at which those within `reach_m` pass an open stop line at free speed, in veh/s.

    Its inverse is their mean time headway, what a gap detector measures; a standing queue is a short headway.
    `reach_m` is rounded to whole cells, at least one.
    """
    parameters = simulation.traffic.parameters
    zone_m = max(1, round(reach_m / parameters.dx_m)) * parameters.dx_m
    return near_veh(simulation, zone_m) * (parameters.vf_m_s / zone_m)


def by_axis(by_approach: Floats) -> tuple[Floats, Floats]:
    """Sums over north and south, and over east and west, each of shape (batch,)."""
    return np.add(by_approach[:, 0], by_approach[:, 1]), np.add(by_approach[:, 2], by_approach[:, 3])


def _by_approach(by_lane: Floats) -> Floats:
    """From lanes `approach * batch + scenario` to rows by scenario, shape (batch, 4)."""
    return by_lane.reshape(N_APPROACHES, -1).T
