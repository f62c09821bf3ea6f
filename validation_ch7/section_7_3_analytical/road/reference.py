"""The road on the readable reference of the solver, `traffic.model.arz`; it must give the same bits as the kernel."""

from __future__ import annotations

import numpy as np

from validation_ch7.section_7_3_analytical.road.problem import RoadProblem, RoadState
from validation_ch7.traffic.model import arz


def reference_road(problem: RoadProblem) -> RoadState:
    """Simulate the roads with array functions."""
    p, rho, w = problem.parameters, problem.rho.copy(), problem.w.copy()
    waiting, left = np.zeros(len(rho)), np.zeros(len(rho))
    flux = np.empty((rho.shape[0], rho.shape[1] + 1))
    for arriving, w_in in zip(problem.arriving_veh, problem.w_in, strict=True):
        v = arz.speed(rho, w, p)
        waiting = waiting + arriving
        entering = np.minimum(waiting, arz.supply(w_in, v[:, 0], p) * p.dt_s)
        waiting = waiting - entering
        flux[:, 0] = entering / p.dt_s
        flux[:, 1:-1] = arz.godunov_flux(rho[:, :-1], w[:, :-1], v[:, 1:], p)
        flux[:, -1] = arz.demand(rho[:, -1], w[:, -1], p)
        left = left + flux[:, -1]
        rho, w = arz.update_cells(rho, w, flux, w_in, p)
        w = arz.relax(w, p)
    return RoadState(rho=rho, w=w, waiting_veh=waiting, left_veh=left * p.dt_s)
