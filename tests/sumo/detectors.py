"""SUMO's vehicles as the state of this project's crossing, which its detectors and controllers read."""

from __future__ import annotations

import numpy as np

from tests.sumo.process import Snapshot
from validation_ch7.traffic.model.arz import Floats
from validation_ch7.traffic.parameters import TrafficParameters


def cells_of(snapshot: Snapshot, parameters: TrafficParameters) -> tuple[Floats, Floats]:
    """Density and driver attribute of every cell, each of shape (8, cells), in veh/m and m/s.

    A vehicle counts in the cell of its front. The attribute is `w = v + K rho` with the mean speed of the cell's
    vehicles, so that the model's speed `w - K rho` is their speed; an empty cell has the free speed.
    """
    n_cells, dx_m = parameters.n_cells, parameters.dx_m
    count = np.zeros((len(snapshot.vehicles), n_cells))
    speed = np.zeros_like(count)
    for lane, vehicles in enumerate(snapshot.vehicles):
        for position_m, speed_m_s in vehicles:
            cell = min(int(position_m / dx_m), n_cells - 1)
            count[lane, cell] += 1.0
            speed[lane, cell] += speed_m_s
    mean = np.full_like(speed, parameters.vf_m_s)
    np.divide(speed, count, out=mean, where=count > 0.0)
    rho = count / dx_m
    return rho, mean + parameters.pressure_slope * rho
