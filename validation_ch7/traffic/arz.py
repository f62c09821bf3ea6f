"""Conservative exact-Godunov solver of the one-class Aw-Rascle-Zhang model, batched over any leading axes.

Unknowns per cell: density rho [veh/m] and the drivers' w = v + p(rho) [m/s], which travels with them:

    rho_t + (rho v)_x = 0,    (rho w)_t + (rho w v)_x = rho (vf - w) / tau,    v = w - K rho.

With the linear pressure the Riemann problem needs no root finding, and its flux has supply-demand form
(Lebacque, Mammar & Haj-Salem, ISTTT 17, 2007). Every operation is elementwise, so a result does not depend on
how many scenarios are computed together: exact resume stands on that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from validation_ch7.traffic.parameters import TrafficParameters

Array = npt.NDArray[np.float64]

# Below this density a cell counts as empty: w of nobody is meaningless and is set to the equilibrium value.
EMPTY_VEH_M = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceFlux:
    """What crosses the interfaces in a time step.

    Attributes:
        vehicles: (..., interfaces) veh/s.
        w: (..., interfaces) m/s, of the drivers that cross: the upstream ones.
    """

    vehicles: Array
    w: Array


def speed(rho: Array, w: Array, parameters: TrafficParameters) -> Array:
    """Speed of each cell, m/s: v = max(0, w - K rho).

    Args:
        rho: Density, veh/m.
        w: Same shape, m/s.
    """
    v: Array = rho * -parameters.pressure_slope
    v += w
    np.maximum(v, 0.0, out=v)
    return v


def demand(rho: Array, w: Array, parameters: TrafficParameters) -> Array:
    """Most that can leave a cell, veh/s: the flux at min(rho, critical density of its drivers)."""
    slope = parameters.pressure_slope
    leaving = np.minimum(rho, w * (0.5 / slope))
    return _flux_at(leaving, w, slope)


def supply(w_upstream: Array, v_downstream: Array, parameters: TrafficParameters) -> Array:
    """Most that drivers with `w_upstream` can bring into a cell moving at `v_downstream`, veh/s."""
    slope = parameters.pressure_slope
    middle = np.maximum((w_upstream - v_downstream) * (1.0 / slope), w_upstream * (0.5 / slope))
    return _flux_at(middle, w_upstream, slope)


def _flux_at(rho: Array, w: Array, slope: float) -> Array:
    """rho v at density rho for drivers with w, veh/s."""
    flux = rho * slope
    np.subtract(w, flux, out=flux)
    flux *= rho
    return flux


def godunov_flux(rho: Array, w: Array, v: Array, parameters: TrafficParameters) -> Array:
    """Exact Godunov flux at the inner interfaces, veh/s.

    Args:
        rho: (..., cells) veh/m.
        w: (..., cells) m/s.
        v: (..., cells) m/s, `speed(rho, w)`.

    Returns:
        (..., cells - 1) veh/s; the drivers that cross have the w of the cell on the left.
    """
    upstream = w[..., :-1]
    flux: Array = np.minimum(demand(rho[..., :-1], upstream, parameters), supply(upstream, v[..., 1:], parameters))
    return flux


def update(rho: Array, w: Array, flux: InterfaceFlux, parameters: TrafficParameters) -> tuple[Array, Array]:
    """One conservative step without relaxation.

    The new w is a convex combination of the old one and of the w that came in, hence within their bounds.

    Args:
        rho: (..., cells) veh/m.
        w: (..., cells) m/s.
        flux: At all cells + 1 interfaces.

    Returns:
        New rho and w.
    """
    ratio = parameters.dt_s / parameters.dx_m
    moved = ratio * flux.vehicles
    staying = rho - moved[..., 1:]
    entering = moved[..., :-1]
    rho_new = staying + entering
    staying *= w
    staying += entering * flux.w[..., :-1]
    w_new = np.full_like(w, parameters.free_speed_m_s)
    np.divide(staying, rho_new, out=w_new, where=rho_new > EMPTY_VEH_M)
    return rho_new, w_new


def relax(w: Array, parameters: TrafficParameters) -> Array:
    """Exact relaxation over one time step towards the equilibrium w = vf, on which v = vf - p(rho).

    Unconditionally stable, and equilibrium states are exactly stationary.
    """
    decay = float(np.exp(-parameters.dt_s / parameters.relaxation_s))
    vf = parameters.free_speed_m_s
    relaxed: Array = w - vf
    relaxed *= decay
    relaxed += vf
    return relaxed
