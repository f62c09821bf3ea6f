"""Readable reference of the traffic model: exact Godunov scheme for the one-class Aw-Rascle-Zhang equations, float64.

Simulations run `numba_kernel`, the same arithmetic compiled. Tests compare these functions with exact solutions, and
the kernel with these functions bit for bit.

    rho_t + (rho v)_x = 0,   (rho w)_t + (rho w v)_x = rho (vf - w) / tau,   w = v + K rho,   K = vf / rho_jam

Densities `rho` are in veh/m, speeds `v` and driver attributes `w` in m/s, flows in veh/s. Every function works
element by element, so that the result of one lane does not depend on the other lanes.

Sources: Aw & Rascle, SIAM J. Appl. Math. 60(3):916-938, 2000 (equations, Riemann problem); Lebacque, Mammar &
Haj-Salem, ISTTT 17, 2007 (supply and demand form of its exact solution); Godunov 1959.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from validation_ch7.traffic.parameters import TrafficParameters

Floats = npt.NDArray[np.float64]

# Lower bound of a divisor; a cell with a smaller density is practically empty.
_VACUUM_VEH_M = 1e-250


def speed(rho: Floats, w: Floats, parameters: TrafficParameters) -> Floats:
    """Speeds `v = w - K rho` in m/s; negative values from rounding in a standing queue become zero."""
    v: Floats = parameters.pressure_slope * rho
    np.subtract(w, v, out=v)
    return np.maximum(v, 0.0, out=v)


def demand(rho: Floats, w: Floats, parameters: TrafficParameters) -> Floats:
    """Largest outflow of a cell in veh/s: its flow, or the capacity of its drivers above the critical density."""
    sending = np.minimum(rho, w * (0.5 / parameters.pressure_slope))
    return _flow(sending, w, parameters)


def supply(w_left: Floats, v_right: Floats, parameters: TrafficParameters) -> Floats:
    """Largest inflow of drivers with attribute `w_left` into a cell with speed `v_right`, in veh/s.

    They reach the density at which their speed equals that of the traffic ahead, `(w_left - v_right) / K`. If that is
    below the critical density (or negative), they enter at capacity.
    """
    slope = parameters.pressure_slope
    receiving = np.maximum((w_left - v_right) / slope, w_left * (0.5 / slope))
    return _flow(receiving, w_left, parameters)


def godunov_flux(rho_left: Floats, w_left: Floats, v_right: Floats, parameters: TrafficParameters) -> Floats:
    """Exact flow through an interface in veh/s: `min(demand, supply)`, in one expression.

    `q(r; w) = r (w - K r)` is symmetric about the critical density `s = w / (2 K)`, so the supply's
    `q(max((w - v) / K, s))` equals `q(min(v / K, s))`; and as `q` grows up to `s`, the minimum of the two flows
    is the flow at the smallest of the three densities `rho_left`, `v_right / K` and `s`.
    The flow of `rho w` through the interface is this flow times `w_left`.
    """
    slope = parameters.pressure_slope
    density = v_right * (1.0 / slope)
    np.minimum(density, rho_left, out=density)
    critical = w_left * (0.5 / slope)
    np.minimum(density, critical, out=density)
    np.multiply(density, slope, out=critical)
    np.subtract(w_left, critical, out=critical)
    return np.multiply(density, critical, out=density)


def update_cells(
    rho: Floats, w: Floats, flux: Floats, w_inflow: Floats, parameters: TrafficParameters
) -> tuple[Floats, Floats]:
    """One conservative step of `rho` and `rho w`.

    The new attribute of a cell is the mean over the vehicles that stayed and those that entered, a convex combination,
    so it stays within the range of the old ones. An empty cell keeps its attribute.

    Args:
        rho: Densities, shape (lanes, cells), veh/m.
        w: Driver attributes, shape (lanes, cells), m/s.
        flux: Flows through the interfaces, shape (lanes, cells + 1), veh/s; `flux[:, j]` enters cell `j`.
        w_inflow: Attribute of the vehicles that enter each lane, shape (lanes,), m/s.
        parameters: Step and cell sizes.

    Returns:
        New `rho` and `w`.
    """
    moved = flux * parameters.cell_ratio
    came = moved[:, :-1]
    new_rho = rho - moved[:, 1:]
    new_rho += came
    share = np.maximum(new_rho, _VACUUM_VEH_M)
    np.divide(came, share, out=share)
    change = np.empty_like(w)
    np.subtract(w[:, :-1], w[:, 1:], out=change[:, 1:])
    np.subtract(w_inflow, w[:, 0], out=change[:, 0])
    change *= share
    change += w
    return new_rho, change


def relax(w: Floats, parameters: TrafficParameters) -> Floats:
    """Exact solution of `w_t = (vf - w) / tau` over one step, in place; `w = vf` stays exactly `vf`."""
    w -= parameters.vf_m_s
    w *= parameters.relaxation_factor
    w += parameters.vf_m_s
    return w


def _flow(rho: Floats, w: Floats, parameters: TrafficParameters) -> Floats:
    """`q(rho; w) = rho (w - K rho)` in veh/s."""
    return rho * (w - parameters.pressure_slope * rho)
