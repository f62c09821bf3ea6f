"""The exact solution of the Riemann problem of the one-class ARZ equations; shares no code with the solver.

Left and right states are (rho, v). With the pressure `p = vf rho / rho_jam` drivers keep `w = v + p(rho)` across
the 1-wave, and the speed is equal on both sides of the 2-contact. Source: Aw & Rascle 2000, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

VF = 13.89
RHO_JAM = 0.15


@dataclass(frozen=True)
class Case:
    name: str
    left: tuple[float, float]
    right: tuple[float, float]
    rho_middle: float  # from an independent table, not from the code below
    wave: tuple[float, ...]  # speed of the shock in m/s, or of both ends of the fan; empty if there is none
    order: float | None  # smallest L1 order of convergence of a first-order scheme; None if it is not meaningful
    error_veh: float  # largest L1 error with 400 cells on 600 m after 15 s


CASES = (
    Case("shock and contact", (0.03, 10.0), (0.10, 3.0), 0.105594, (0.22200,), None, 0.05),
    Case("rarefaction and contact", (0.10, 2.0), (0.04, 8.0), 0.035205, (-7.26, 4.74), 0.60, 0.21),
    Case("pure contact", (0.05, 8.0), (0.10, 8.0), 0.05, (), 0.40, 0.52),
    Case("vacuum", (0.05, 4.0), (0.02, 13.0), 0.0, (-0.63, 8.63), 0.62, 0.24),
    Case("red light", (0.05, 9.26), (0.15, 0.0), 0.15, (-4.63,), None, 0.02),
    Case("queue discharge", (0.15, 0.0), (0.0, VF), 0.0, (-13.89, 13.89), 0.70, 0.31),
)


def pressure(rho: float) -> float:
    return VF * rho / RHO_JAM


def middle_density(case: Case) -> float:
    (rho_l, v_l), (_, v_r) = case.left, case.right
    return max(0.0, v_l + pressure(rho_l) - v_r) * RHO_JAM / VF


def density(case: Case, xi: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Density at `x / t = xi`."""
    (rho_l, v_l), (rho_r, v_r) = case.left, case.right
    w_l = v_l + pressure(rho_l)
    v_m, rho_m = min(v_r, w_l), middle_density(case)
    if v_m < v_l:
        shock = (rho_m * v_m - rho_l * v_l) / (rho_m - rho_l)
        behind_contact = np.where(xi < shock, rho_l, rho_m)
    else:
        tail, head = v_l - pressure(rho_l), v_m - pressure(rho_m)
        fan = (w_l - xi) / 2.0 * RHO_JAM / VF
        behind_contact = np.where(xi <= tail, rho_l, np.where(xi >= head, rho_m, fan))
    return np.where(xi < v_r, behind_contact, rho_r)


def cell_means(case: Case, edges_m: npt.NDArray[np.float64], time_s: float) -> npt.NDArray[np.float64]:
    """Mean density of each cell, from 64 points per cell."""
    points = 64
    within = (np.arange(points) + 0.5) / points
    x = edges_m[:-1, None] + np.diff(edges_m)[:, None] * within
    return density(case, x / time_s).mean(axis=1)
