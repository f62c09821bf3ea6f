"""The compiled solver against its readable reference: the same bits."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from validation_ch7.section_7_3_analytical.checks.convergence import smooth_solutions
from validation_ch7.section_7_3_analytical.checks.finding import Finding
from validation_ch7.section_7_3_analytical.checks.riemann import riemann_solutions
from validation_ch7.section_7_3_analytical.checks.setting import Setting
from validation_ch7.section_7_3_analytical.road.problem import RoadProblem, riemann_problem, smooth_problem

CHECK = "agreement"


def run(setting: Setting) -> dict[str, float]:
    """Largest difference of density (veh/m) or attribute (m/s) on the coarsest grid: what was simulated -> number."""
    law, cells = setting.law, setting.cells[0]
    problems = {"Riemann roads": riemann_problem(list(riemann_solutions(law).values()), law, cells)} | {
        name: smooth_problem(solution, law, cells) for name, solution in smooth_solutions(setting).items()
    }
    return {name: _difference(setting, problem) for name, problem in problems.items()}


def findings(differences: dict[str, float], setting: Setting) -> Iterator[Finding]:
    """One number for each simulation."""
    for case, value in differences.items():
        limit = setting.criteria.kernel_max_difference
        yield Finding(check=CHECK, case=case, quantity="difference", value=value, high=limit)


def _difference(setting: Setting, problem: RoadProblem) -> float:
    one, other = setting.solver(problem), setting.reference(problem)
    return float(np.max([np.abs(one.rho - other.rho).max(), np.abs(one.w - other.w).max()]))
