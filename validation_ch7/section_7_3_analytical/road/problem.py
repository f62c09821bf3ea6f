"""A road with its initial traffic and its inflow: what a solver is given, and what it returns."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from validation_ch7.section_7_3_analytical.exact.law import Floats, Law
from validation_ch7.section_7_3_analytical.exact.riemann import RiemannSolution
from validation_ch7.section_7_3_analytical.exact.smooth import SmoothSolution, cell_means, passing
from validation_ch7.traffic.parameters import TrafficParameters

HALF_LENGTH_M, TIME_S = 320.0, 10.0
"""Roads reach from -320 m to 320 m. In 10 s no wave, and no numerical error, travels from an end to the middle half."""

COURANT = 0.9
NO_RELAXATION_S = 1e300
"""As relaxation time: the factor of a step is then exactly 1."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RoadProblem:
    """Roads to simulate together; the first half of each is an approach with an open stop line, the rest its exit.

    Attributes:
        parameters: Step, cells, and constants of the model.
        rho: Densities at the start, shape (roads, cells), veh/m; an even number of cells.
        w: Driver attributes at the start, same shape, m/s.
        arriving_veh: Vehicles that arrive at the upstream end in each step, shape (steps, roads).
        w_in: Their attribute, same shape, m/s.
    """

    parameters: TrafficParameters
    rho: Floats
    w: Floats
    arriving_veh: Floats
    w_in: Floats

    @property
    def edges_m(self) -> Floats:
        """Ends of the cells, shape (cells + 1,)."""
        return np.linspace(-HALF_LENGTH_M, HALF_LENGTH_M, self.rho.shape[1] + 1)

    @property
    def middle(self) -> slice:
        """Cells of the middle half, which the ends of the road do not affect."""
        quarter = self.rho.shape[1] // 4
        return slice(quarter, 3 * quarter)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RoadState:
    """The roads after the last step.

    Attributes:
        rho: Densities, shape (roads, cells), veh/m.
        w: Driver attributes, same shape, m/s.
        waiting_veh: Vehicles that found no room at the upstream end, shape (roads,).
        left_veh: Vehicles that left by the downstream end, shape (roads,).
    """

    rho: Floats
    w: Floats
    waiting_veh: Floats
    left_veh: Floats


Solver = Callable[[RoadProblem], RoadState]


def grid(
    law: Law, cells: int, *, tau_s: float = NO_RELAXATION_S, time_s: float = TIME_S
) -> tuple[TrafficParameters, int]:
    """Parameters of a road of this many cells, and the steps to `time_s` at a Courant number of at most 0.9."""
    dx_m = 2.0 * HALF_LENGTH_M / cells
    n_steps = math.ceil(time_s * law.vf_m_s / (COURANT * dx_m))
    parameters = TrafficParameters(
        vf_m_s=law.vf_m_s,
        rho_jam_veh_m=law.rho_jam_veh_m,
        tau_s=tau_s if math.isfinite(tau_s) else NO_RELAXATION_S,
        dx_m=dx_m,
        dt_s=time_s / n_steps,
        link_length_m=HALF_LENGTH_M,
    )
    return parameters, n_steps


def uniform_inflow(parameters: TrafficParameters, rho: Floats, w: Floats, law: Law, n_steps: int) -> RoadProblem:
    """Roads whose upstream end is fed with the state of their first cell."""
    first_rho, first_w = rho[:, 0], w[:, 0]
    arriving = first_rho * (first_w - law.pressure(first_rho)) * parameters.dt_s
    return RoadProblem(
        parameters=parameters,
        rho=rho,
        w=w,
        arriving_veh=np.tile(arriving, (n_steps, 1)),
        w_in=np.tile(first_w, (n_steps, 1)),
    )


def riemann_problem(solutions: Sequence[RiemannSolution], law: Law, cells: int) -> RoadProblem:
    """One road for each Riemann problem, with the jump at the stop line."""
    parameters, n_steps = grid(law, cells)
    half = cells // 2
    ends = [(solution.pieces[0], solution.pieces[-1]) for solution in solutions]
    rho = np.array([[left.rho_start] * half + [right.rho_end] * half for left, right in ends])
    w = np.array([[left.w] * half + [right.w] * half for left, right in ends])
    return uniform_inflow(parameters, rho, w, law, n_steps)


def smooth_problem(solution: SmoothSolution, law: Law, cells: int) -> RoadProblem:
    """A road that starts with a smooth solution and is fed with it."""
    parameters, n_steps = grid(law, cells, tau_s=solution.tau_s)
    edges_m = np.linspace(-HALF_LENGTH_M, HALF_LENGTH_M, cells + 1)
    rho, y = cell_means(solution, edges_m, 0.0)
    times_s = np.arange(n_steps + 1, dtype=np.float64) * parameters.dt_s
    arriving, w_in = passing(solution, law, -HALF_LENGTH_M, times_s)
    return RoadProblem(
        parameters=parameters,
        rho=rho[None, :],
        w=(y / rho)[None, :],
        arriving_veh=arriving[:, None],
        w_in=w_in[:, None],
    )
