"""One long road simulated with the solver's functions, and its distance from the exact solution."""

from __future__ import annotations

from collections.abc import Callable

import exact_riemann
import numpy as np
import numpy.typing as npt

from validation_ch7.traffic.model import arz
from validation_ch7.traffic.parameters import TrafficParameters

Floats = npt.NDArray[np.float64]
Flux = Callable[[Floats, Floats, Floats, TrafficParameters], Floats]

LENGTH_M, TIME_S = 600.0, 15.0


def grid(n_cells: int, length_m: float, time_s: float) -> tuple[TrafficParameters, int]:
    """Parameters and number of steps of a road: Courant number at most 0.9, last step exactly at `time_s`."""
    dx_m = length_m / n_cells
    n_steps = int(np.ceil(time_s / (0.9 * dx_m / exact_riemann.VF)))
    return TrafficParameters(dx_m=dx_m, dt_s=time_s / n_steps, link_length_m=length_m), n_steps


def drive(
    rho: Floats, w: Floats, parameters: TrafficParameters, n_steps: int, *, flux: Flux, ring: bool = False
) -> tuple[Floats, Floats]:
    """Advance traffic without relaxation; the ends are open, or joined to a ring."""
    for _ in range(n_steps):
        rho_p, w_p = padded(rho, ring), padded(w, ring)
        v_p = arz.speed(rho_p, w_p, parameters)
        flows = flux(rho_p[:, :-1], w_p[:, :-1], v_p[:, 1:], parameters)
        rho, w = arz.update_cells(rho, w, flows, w_p[:, 0], parameters)
    return rho, w


def padded(values: Floats, ring: bool) -> Floats:
    return np.pad(values, ((0, 0), (1, 1)), mode="wrap" if ring else "edge")


def riemann_error_veh(case: exact_riemann.Case, n_cells: int, flux: Flux) -> float:
    """L1 distance in vehicles between the computed and the exact densities."""
    parameters, n_steps = grid(n_cells, LENGTH_M, TIME_S)
    edges = np.linspace(-LENGTH_M / 2, LENGTH_M / 2, n_cells + 1)
    is_left = edges[None, 1:] < parameters.dx_m / 2
    rho = np.where(is_left, case.left[0], case.right[0])
    v = np.where(is_left, case.left[1], case.right[1])
    with np.errstate(all="ignore"):  # a wrong flux may diverge: that counts as a failure
        rho, _ = drive(rho, v + parameters.pressure_slope * rho, parameters, n_steps, flux=flux)
    return float(np.abs(rho[0] - exact_riemann.cell_means(case, edges, TIME_S)).sum() * parameters.dx_m)


def riemann_failures(flux: Flux) -> list[str]:
    """Cases in which a flux misses the exact solution, with the reason; empty for a correct flux."""
    failures = []
    for case in exact_riemann.CASES:
        coarse, fine = (riemann_error_veh(case, n_cells, flux) for n_cells in (100, 400))
        if not fine <= case.error_veh:
            failures.append(f"{case.name}: {fine:.4f} veh from the exact solution, at most {case.error_veh}")
        elif case.order is not None and not np.log2(coarse / fine) / 2 >= case.order:
            failures.append(f"{case.name}: order {np.log2(coarse / fine) / 2:.2f}, at least {case.order}")
    return failures
