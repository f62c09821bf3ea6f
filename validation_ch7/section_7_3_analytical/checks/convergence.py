"""Order of convergence on smooth exact solutions; the scheme, Godunov's with split relaxation, is of order 1."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from validation_ch7.section_7_3_analytical.checks.finding import Finding
from validation_ch7.section_7_3_analytical.checks.setting import Setting
from validation_ch7.section_7_3_analytical.exact.smooth import (
    SimpleWave,
    SmoothContact,
    SmoothSolution,
    TravellingWave,
    cell_means,
)
from validation_ch7.section_7_3_analytical.road.problem import TIME_S, smooth_problem

CHECK = "convergence"
EXPECTED_ORDER = 1.0


@dataclass(frozen=True, kw_only=True)
class ConvergenceResult:
    """Relative L1 errors of `rho` in the middle half of the road: solution -> cells -> error."""

    errors: dict[str, dict[int, float]]


def smooth_solutions(setting: Setting) -> dict[str, SmoothSolution]:
    """The exact solutions by name."""
    law = setting.law
    return {
        "smooth contact": SmoothContact(law=law),
        "simple wave": SimpleWave(law=law),
        "travelling wave with relaxation": TravellingWave(law=law, tau_s=setting.crossing.traffic.tau_s),
    }


def run(setting: Setting) -> ConvergenceResult:
    """Simulate each solution on all grids."""
    errors: dict[str, dict[int, float]] = {}
    for name, solution in smooth_solutions(setting).items():
        errors[name] = {}
        for cells in setting.cells:
            problem = smooth_problem(solution, setting.law, cells)
            state = setting.solver(problem)
            rho, _ = cell_means(solution, problem.edges_m, TIME_S)
            off = np.abs(state.rho[0] - rho)[problem.middle].sum()
            errors[name][cells] = float(off / rho[problem.middle].sum())
    return ConvergenceResult(errors=errors)


def findings(result: ConvergenceResult, setting: Setting) -> Iterator[Finding]:
    """The order between the two finest grids: too low a wrong scheme, too high a wrong measurement."""
    tolerance = setting.criteria.smooth_order_tolerance
    coarse, fine = setting.cells[-2:]
    for name, errors in result.errors.items():
        with np.errstate(all="ignore"):
            order = float(np.log2(np.float64(errors[coarse]) / errors[fine]))
        yield Finding(
            check=CHECK,
            case=name,
            quantity=f"order, {coarse} to {fine} cells",
            value=order,
            low=EXPECTED_ORDER - tolerance,
            high=EXPECTED_ORDER + tolerance,
            exact=EXPECTED_ORDER,
        )
