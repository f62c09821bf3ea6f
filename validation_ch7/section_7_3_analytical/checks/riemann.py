"""Riemann problems: the computed densities against the exact ones."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from validation_ch7.section_7_3_analytical.checks.finding import Finding
from validation_ch7.section_7_3_analytical.checks.setting import Setting
from validation_ch7.section_7_3_analytical.exact.law import Floats, Law
from validation_ch7.section_7_3_analytical.exact.riemann import RiemannSolution, State, solve
from validation_ch7.section_7_3_analytical.road.problem import TIME_S, RoadState, riemann_problem

CHECK = "riemann"

Shares = tuple[tuple[float, float], tuple[float, float]]

CASES: dict[str, Shares] = {
    "shock": ((0.2, 0.8), (0.6, 0.4)),
    "rarefaction": ((0.8, 0.2), (0.2, 0.8)),  # transonic: the fan contains the stop line
    "contact": ((0.3, 0.5), (0.5, 0.5)),
    "vacuum": ((0.35, 0.25), (0.1, 0.85)),
    "shock and contact": ((0.2, 0.7), (0.6, 0.2)),
    "rarefaction and contact": ((0.7, 0.1), (0.35, 0.6)),
    "red light": ((1.0 / 3.0, 2.0 / 3.0), (1.0, 0.0)),
    "queue discharge": ((1.0, 0.0), (0.0, 1.0)),
}
"""Case -> (density, speed) on the left and on the right, in units of jam density and free speed; w is at most vf."""

SINGLE_SHOCKS = ("shock", "red light")
"""The scheme resolves a shock within one or two cells, so the error depends on the place of the front within its cell.
Therefore the error in cells is judged, not the order."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RiemannResult:
    """Errors and profiles of all cases.

    Attributes:
        solutions: Case -> exact solution.
        errors: Cells -> relative L1 errors in the middle half of the road, shape (cases, 2): `rho`, `rho w`.
        front_cells: Cells -> L1 error of `rho` over jump and cell length, shape (cases,).
        states: Cells -> computed state.
    """

    solutions: dict[str, RiemannSolution]
    errors: dict[int, Floats]
    front_cells: dict[int, Floats]
    states: dict[int, RoadState]


def riemann_solutions(law: Law) -> dict[str, RiemannSolution]:
    """The exact solution of each case."""

    def state(rho_share: float, v_share: float) -> State:
        return State(rho=rho_share * law.rho_jam_veh_m, v=v_share * law.vf_m_s)

    return {name: solve(state(*left), state(*right), law) for name, (left, right) in CASES.items()}


def run(setting: Setting) -> RiemannResult:
    """Simulate all cases on all grids."""
    law = setting.law
    solutions = riemann_solutions(law)
    result = RiemannResult(solutions=solutions, errors={}, front_cells={}, states={})
    for cells in setting.cells:
        problem = riemann_problem(list(solutions.values()), law, cells)
        state = setting.solver(problem)
        exact = [solution.means(problem.edges_m, TIME_S) for solution in solutions.values()]
        rho, y = (np.array([means[index] for means in exact])[:, problem.middle] for index in (0, 1))
        off_rho = np.abs(state.rho[:, problem.middle] - rho).sum(axis=1)
        off_y = np.abs((state.rho * state.w)[:, problem.middle] - y).sum(axis=1)
        result.errors[cells] = np.stack((off_rho / rho.sum(axis=1), off_y / y.sum(axis=1)), axis=1)
        result.front_cells[cells] = off_rho / np.maximum(np.ptp(rho, axis=1), 1e-300)
        result.states[cells] = state
    return result


def findings(result: RiemannResult, setting: Setting) -> Iterator[Finding]:
    """Error on the finest grid of each case, and its order or, of a single shock, its error in cells."""
    criteria, finest = setting.criteria, setting.cells[-1]
    for row, name in enumerate(CASES):
        for column, variable in enumerate(("rho", "rho w")):
            yield Finding(
                check=CHECK,
                case=name,
                quantity=f"L1 error of {variable}, {finest} cells",
                value=100.0 * float(result.errors[finest][row, column]),
                high=criteria.riemann_max_error_pct,
                unit="%",
            )
        if name in SINGLE_SHOCKS:
            off = float(np.max([result.front_cells[cells][row] for cells in setting.cells]))
            limit = criteria.shock_max_error_cells
            yield Finding(check=CHECK, case=name, quantity="error of the front", value=off, high=limit, unit="cells")
        else:
            errors = [float(result.errors[cells][row, 0]) for cells in setting.cells]
            order = order_of(setting.cells, errors)
            yield Finding(check=CHECK, case=name, quantity="order", value=order, low=criteria.riemann_min_order)


def order_of(cells: tuple[int, ...], errors: list[float]) -> float:
    """Order of convergence: slope of the least-squares line of log error over log cell length; NaN without errors.

    Written out, since a linear algebra library rounds differently on other computers.
    """
    if not np.all(np.isfinite(errors)) or min(errors) <= 0.0:
        return float("nan")
    x, y = [-math.log(one) for one in cells], [math.log(one) for one in errors]
    mean_x, mean_y = math.fsum(x) / len(x), math.fsum(y) / len(y)
    slope = math.fsum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return slope / math.fsum((a - mean_x) ** 2 for a in x)
