"""One step of one cell of every lane, in place."""

from __future__ import annotations

from validation_ch7.traffic.numba_kernel.compile import Floats, compiled, larger, smaller
from validation_ch7.traffic.numba_kernel.constants import (
    CELL_RATIO,
    HALF_INVERSE_SLOPE,
    INVERSE_SLOPE,
    RELAXATION,
    SLOPE,
    VACUUM,
    VF,
    ZERO,
)


@compiled
def update_cell(
    rho: Floats,
    w: Floats,
    rho_next: Floats,
    w_next: Floats,
    inflow: Floats,
    w_before: Floats,
    flow_sum: Floats,
    constants: Floats,
) -> None:
    """One cell of every lane: its outflow from the old states on both sides, then its new state in place."""
    slope, inverse, half = constants[SLOPE], constants[INVERSE_SLOPE], constants[HALF_INVERSE_SLOPE]
    zero = constants[ZERO]
    ratio, vf, relaxation, vacuum = constants[CELL_RATIO], constants[VF], constants[RELAXATION], constants[VACUUM]
    for lane in range(rho.shape[0]):
        density, attribute = rho[lane], w[lane]
        v_next = larger(w_next[lane] - slope * rho_next[lane], zero)
        passing = smaller(smaller(v_next * inverse, density), attribute * half)
        flow = passing * (attribute - passing * slope)
        came = inflow[lane] * ratio
        new = density - flow * ratio + came
        share = came / larger(new, vacuum)
        mixed = (w_before[lane] - attribute) * share + attribute
        flow_sum[lane] += flow
        inflow[lane] = flow
        w_before[lane] = attribute
        rho[lane] = new
        w[lane] = (mixed - vf) * relaxation + vf


@compiled
def update_last_cell(
    rho: Floats,
    w: Floats,
    outflow: Floats,
    inflow: Floats,
    w_before: Floats,
    flow_sum: Floats,
    constants: Floats,
) -> None:
    """The last cell of every lane, whose outflow is the boundary's."""
    ratio, vf, relaxation, vacuum = constants[CELL_RATIO], constants[VF], constants[RELAXATION], constants[VACUUM]
    for lane in range(rho.shape[0]):
        density, attribute = rho[lane], w[lane]
        came = inflow[lane] * ratio
        new = density - outflow[lane] * ratio + came
        share = came / larger(new, vacuum)
        mixed = (w_before[lane] - attribute) * share + attribute
        flow_sum[lane] += outflow[lane]
        rho[lane] = new
        w[lane] = (mixed - vf) * relaxation + vf
