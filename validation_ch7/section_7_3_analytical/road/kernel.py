"""The road on the compiled solver that every training and evaluation runs."""

from __future__ import annotations

import numpy as np

from validation_ch7.section_7_3_analytical.road.problem import RoadProblem, RoadState
from validation_ch7.traffic.crossing.intersection import Intersection
from validation_ch7.traffic.numba_kernel.constants import N_APPROACHES
from validation_ch7.traffic.signal.timing import SignalTimes
from validation_ch7.traffic.signal.two_phase import TwoPhaseSignal

_ALWAYS = 10**9  # steps of green


def kernel_road(problem: RoadProblem) -> RoadState:
    """Simulate the roads as the northern approaches of crossings, and their exits, under a signal that stays green."""
    (n_roads, n_cells), (n_steps, _) = problem.rho.shape, problem.arriving_veh.shape
    first_exit, half = N_APPROACHES * n_roads, n_cells // 2
    traffic = Intersection(problem.parameters, n_roads)
    state = traffic.get_state()
    for name, values in (("rho", problem.rho), ("w", problem.w)):
        lanes = np.array(state[name])
        lanes[:n_roads], lanes[first_exit : first_exit + n_roads] = values[:, :half], values[:, half:]
        state[name] = lanes
    state["inside"] = np.asarray(state["rho"]).sum(axis=1)
    traffic.set_state(state)

    def by_step(values: np.ndarray) -> np.ndarray:  # shape (steps, blocks, 4 L), as the kernel reads it
        lanes = np.zeros((first_exit, n_steps))
        lanes[:n_roads] = values.T
        return np.ascontiguousarray(traffic.blocks.scatter(lanes).transpose(1, 0, 2))

    green = SignalTimes(min_green_steps=1, max_green_steps=_ALWAYS, yellow_steps=1)
    traffic.advance_under(
        TwoPhaseSignal(batch=n_roads, times=green),
        by_step(problem.arriving_veh),
        by_step(problem.w_in),
        first_step=0,
        n_steps=n_steps,
        steps_per_bin=1,
    )
    rho, w = traffic.rho, traffic.w
    return RoadState(
        rho=np.hstack((rho[:n_roads], rho[first_exit : first_exit + n_roads])),
        w=np.hstack((w[:n_roads], w[first_exit : first_exit + n_roads])),
        waiting_veh=traffic.queue_veh[:n_roads],
        left_veh=traffic.served_veh[:n_roads],
    )
