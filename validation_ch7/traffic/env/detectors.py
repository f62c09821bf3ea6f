"""Detector measurements, each of shape (batch, 4) by approach N, S, E, W.

All controllers, including the learned one, use only such counts and the state of the signal.
"""

from __future__ import annotations

import numpy as np

from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.arz import Floats
from validation_ch7.traffic.numba_kernel.constants import N_APPROACHES


def standing_veh(simulation: CrossingSimulation) -> Floats:
    """Standing-equivalent vehicles: the entry queue, plus `1 - v / vf` for every vehicle on the approach."""
    standing: Floats = simulation.traffic.count_vehicles(0.0)[0].T
    return standing


def near_veh(simulation: CrossingSimulation, reach_m: float) -> Floats:
    """Vehicles within `reach_m` before the stop line, in whole cells."""
    near: Floats = simulation.traffic.count_vehicles(reach_m)[1].T
    return near


def upstream_veh(simulation: CrossingSimulation) -> Floats:
    """All vehicles before the stop line, moving or not, entry queue included."""
    traffic = simulation.traffic
    return _by_approach(traffic.inside_veh[: N_APPROACHES * traffic.batch] + traffic.queue_veh)


def exit_veh(simulation: CrossingSimulation) -> Floats:
    """Vehicles on the exit that the approach leads to."""
    traffic = simulation.traffic
    return _by_approach(traffic.inside_veh[N_APPROACHES * traffic.batch :])


def oncoming_veh_s(simulation: CrossingSimulation, reach_m: float) -> Floats:
    """Rate at which the vehicles within `reach_m` would pass an open stop line at free speed, in veh/s.

    Its inverse is their mean time headway, which a gap detector measures; a standing queue has a short headway.
    `reach_m` is rounded to whole cells, at least one.
    """
    parameters = simulation.traffic.parameters
    zone_m = max(1, round(reach_m / parameters.dx_m)) * parameters.dx_m
    return near_veh(simulation, zone_m) * (parameters.vf_m_s / zone_m)


def by_axis(by_approach: Floats) -> tuple[Floats, Floats]:
    """Sums over north and south, and over east and west, each of shape (batch,)."""
    return np.add(by_approach[:, 0], by_approach[:, 1]), np.add(by_approach[:, 2], by_approach[:, 3])


def _by_approach(by_lane: Floats) -> Floats:
    """Reorder from lanes `approach * batch + scenario` to rows by scenario, shape (batch, 4)."""
    return by_lane.reshape(N_APPROACHES, -1).T
