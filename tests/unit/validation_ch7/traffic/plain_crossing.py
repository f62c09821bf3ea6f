"""The crossing advanced with the plain array functions of `arz`; the compiled kernel must give the same bits.

It uses the formulas of `arz`, which are tested against exact solutions, and no code of the kernel.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from validation_ch7.traffic.model import arz
from validation_ch7.traffic.parameters import TrafficParameters

Floats = npt.NDArray[np.float64]


class PlainCrossing:
    """Arrays of shape (lanes, cells), lane = `link * batch + scenario`; sums are unscaled, as in the kernel."""

    def __init__(self, parameters: TrafficParameters, batch: int) -> None:
        self.parameters = parameters
        self.first_exit = 4 * batch
        self.rho: Floats = np.zeros((8 * batch, parameters.n_cells))
        self.w: Floats = np.full((8 * batch, parameters.n_cells), parameters.vf_m_s)
        self.queue_veh: Floats = np.zeros(4 * batch)
        self.inside: Floats = np.zeros(8 * batch)
        self.inside_sum: Floats = np.zeros(8 * batch)
        self.flow_sum: Floats = np.zeros(8 * batch)
        self.queue_sum: Floats = np.zeros(4 * batch)
        self.arrived_veh: Floats = np.zeros(4 * batch)
        self.served_sum: Floats = np.zeros(4 * batch)

    def advance(self, gate: Floats, inflow_veh: Floats, w_in: Floats) -> None:
        p, rho, w, out = self.parameters, self.rho, self.w, self.first_exit
        v = arz.speed(rho, w, p)
        flux = np.empty((len(rho), rho.shape[1] + 1))
        flux[:, 1:-1] = arz.godunov_flux(rho[:, :-1], w[:, :-1], v[:, 1:], p)
        flux[:out, -1] = arz.godunov_flux(rho[:out, -1], w[:out, -1], v[out:, 0], p) * gate
        flux[out:, 0] = flux[:out, -1]
        flux[out:, -1] = arz.demand(rho[out:, -1], w[out:, -1], p)
        waiting = self.queue_veh + inflow_veh
        entering = np.minimum(waiting, arz.supply(w_in, v[:out, 0], p) * p.dt_s)
        self.queue_veh = waiting - entering
        flux[:out, 0] = entering / p.dt_s
        self.arrived_veh += inflow_veh
        self.queue_sum += self.queue_veh
        self.served_sum += flux[out:, -1]
        self.inside_sum += self.inside
        self.inside += (flux[:, 0] - flux[:, -1]) * p.cell_ratio
        for cell in range(rho.shape[1]):
            self.flow_sum += flux[:, cell + 1]
        w_inflow = np.concatenate((w_in, w[:out, -1]))
        self.rho, w = arz.update_cells(rho, w, flux, w_inflow, p)
        self.w = arz.relax(w, p)
