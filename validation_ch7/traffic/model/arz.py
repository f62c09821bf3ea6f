"""The traffic model as one reads it: exact Godunov scheme for the one-class Aw-Rascle-Zhang equations.

This is the float64 reference. What runs is `kernel`, the same arithmetic compiled; tests hold these functions to
exact solutions, and the kernel to these functions bit for bit.

    rho_t + (rho v)_x = 0,   (rho w)_t + (rho w v)_x = rho (vf - w) / tau,   w = v + K rho,   K = vf / rho_jam

Densities `rho` are in veh/m, speeds `v` and driver attributes `w` in m/s, flows in veh/s. Every function is pure
and works element by element, so that what happens in one lane has the same bits whatever lanes lie beside it.

Sources: Aw & Rascle, SIAM J. Appl. Math. 60(3):916-938, 2000 (equations, Riemann problem); Lebacque, Mammar &
Haj-Salem, ISTTT 17, 2007 (supply and demand form of its exact solution); Godunov 1959.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from validation_ch7.traffic.parameters import TrafficParameters

Floats = npt.NDArray[np.float64]

# Below this density a cell holds no vehicle whose attribute could matter; it keeps divisions defined.
_VACUUM_VEH_M = 1e-250


def speed(rho: Floats, w: Floats, parameters: TrafficParameters) -> Floats:
    """Speeds `v = w - K rho` in m/s; never below zero, where rounding would put a standing queue."""
    v: Floats = parameters.pressure_slope * rho
    np.subtract(w, v, out=v)
    return np.maximum(v, 0.0, out=v)


def demand(rho: Floats, w: Floats, parameters: TrafficParameters) -> Floats:
    """What a cell could send in veh/s: its flow, or the capacity of its drivers once it is denser than critical."""
    sending = np.minimum(rho, w * (0.5 / parameters.pressure_slope))
    return _flow(sending, w, parameters)


def supply(w_left: Floats, v_right: Floats, parameters: TrafficParameters) -> Floats:
    """What drivers of attribute `w_left` could get into a cell in which traffic moves at `v_right`, in veh/s.

    They close up to the density at which they drive as fast as those ahead, `(w_left - v_right) / K`; where that
    is below the critical density (also: those ahead are faster than they ever drive) they enter at capacity.
    """
    slope = parameters.pressure_slope
    receiving = np.maximum((w_left - v_right) / slope, w_left * (0.5 / slope))
    return _flow(receiving, w_left, parameters)


def godunov_flux(rho_left: Floats, w_left: Floats, v_right: Floats, parameters: TrafficParameters) -> Floats:
    """Exact flow through an interface in veh/s: `min(demand, supply)`, in one expression.

    `q(r; w) = r (w - K r)` is symmetric about the critical density `s = w / (2 K)`, so the supply's
    `q(max((w - v) / K, s))` equals `q(min(v / K, s))`; and as `q` grows up to `s`, the minimum of the two flows
    is the flow at the smallest of the three densities `rho_left`, `v_right / K` and `s`.
    The flow of `rho w` through the interface is this times `w_left`: drivers carry their attribute.
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

    The new attribute of a cell is the mean over those who stayed and those who came, a convex combination: it
    cannot leave the range of the old ones. An empty cell keeps its attribute.

    Args:
        rho: Densities, shape (lanes, cells), veh/m.
        w: Driver attributes, shape (lanes, cells), m/s.
        flux: Flows through the interfaces, shape (lanes, cells + 1), veh/s; `flux[:, j]` enters cell `j`.
        w_inflow: Attribute of those who enter each lane, shape (lanes,), m/s.
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
    """Exact solution of `w_t = (vf - w) / tau` over one step, in place; `w = vf` stays put to the last bit."""
    w -= parameters.vf_m_s
    w *= parameters.relaxation_factor
    w += parameters.vf_m_s
    return w


def _flow(rho: Floats, w: Floats, parameters: TrafficParameters) -> Floats:
    """`q(rho; w) = rho (w - K rho)` in veh/s."""
    return rho * (w - parameters.pressure_slope * rho)
