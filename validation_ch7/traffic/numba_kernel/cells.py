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


# fmt: off
@compiled
def _outflow(
    density: float, attribute: float, density_ahead: float, attribute_ahead: float, slope: float, inverse: float,
    half: float, zero: float,
) -> float:
    """Flow out of a cell, from the old states on both sides of its end."""
    v_ahead = larger(attribute_ahead - slope * density_ahead, zero)
    passing = smaller(smaller(v_ahead * inverse, density), attribute * half)
    return passing * (attribute - passing * slope)


@compiled
def _new_state(
    density: float, attribute: float, inflow: float, outflow: float, attribute_behind: float, ratio: float, vf: float,
    relaxation: float, vacuum: float,
) -> tuple[float, float]:
    """Density and attribute of a cell after one step."""
    came = inflow * ratio
    new = density - outflow * ratio + came
    share = came / larger(new, vacuum)
    mixed = (attribute_behind - attribute) * share + attribute
    return new, (mixed - vf) * relaxation + vf


@compiled
def update_cell(
    rho: Floats, w: Floats, rho_next: Floats, w_next: Floats, inflow: Floats, w_before: Floats, flow_sum: Floats,
    constants: Floats,
) -> None:
    """One cell of every lane: its outflow from the old states on both sides, then its new state in place."""
    slope, inverse, half = constants[SLOPE], constants[INVERSE_SLOPE], constants[HALF_INVERSE_SLOPE]
    ratio, vf, relaxation, vacuum = constants[CELL_RATIO], constants[VF], constants[RELAXATION], constants[VACUUM]
    zero = constants[ZERO]
    for lane in range(rho.shape[0]):
        density, attribute = rho[lane], w[lane]
        flow = _outflow(density, attribute, rho_next[lane], w_next[lane], slope, inverse, half, zero)
        rho[lane], w[lane] = _new_state(
            density, attribute, inflow[lane], flow, w_before[lane], ratio, vf, relaxation, vacuum
        )
        flow_sum[lane] += flow
        inflow[lane], w_before[lane] = flow, attribute


@compiled
def update_three_cells(
    rho_1: Floats, w_1: Floats, rho_2: Floats, w_2: Floats, rho_3: Floats, w_3: Floats, rho_next: Floats,
    w_next: Floats, inflow: Floats, w_before: Floats, flow_sum: Floats, constants: Floats,
) -> None:
    """Three cells in a row, like three calls of `update_cell`; faster, as values stay in registers between them."""
    slope, inverse, half = constants[SLOPE], constants[INVERSE_SLOPE], constants[HALF_INVERSE_SLOPE]
    ratio, vf, relaxation, vacuum = constants[CELL_RATIO], constants[VF], constants[RELAXATION], constants[VACUUM]
    zero = constants[ZERO]
    for lane in range(rho_1.shape[0]):
        r_1, r_2, r_3 = rho_1[lane], rho_2[lane], rho_3[lane]
        a_1, a_2, a_3 = w_1[lane], w_2[lane], w_3[lane]
        flow_1 = _outflow(r_1, a_1, r_2, a_2, slope, inverse, half, zero)
        flow_2 = _outflow(r_2, a_2, r_3, a_3, slope, inverse, half, zero)
        flow_3 = _outflow(r_3, a_3, rho_next[lane], w_next[lane], slope, inverse, half, zero)
        rho_1[lane], w_1[lane] = _new_state(
            r_1, a_1, inflow[lane], flow_1, w_before[lane], ratio, vf, relaxation, vacuum
        )
        rho_2[lane], w_2[lane] = _new_state(r_2, a_2, flow_1, flow_2, a_1, ratio, vf, relaxation, vacuum)
        rho_3[lane], w_3[lane] = _new_state(r_3, a_3, flow_2, flow_3, a_2, ratio, vf, relaxation, vacuum)
        flow_sum[lane] = flow_sum[lane] + flow_1 + flow_2 + flow_3
        inflow[lane], w_before[lane] = flow_3, a_3


@compiled
def update_last_cell(
    rho: Floats, w: Floats, outflow: Floats, inflow: Floats, w_before: Floats, flow_sum: Floats, constants: Floats
) -> None:
    """The last cell of every lane, whose outflow is the boundary's."""
    ratio, vf, relaxation, vacuum = constants[CELL_RATIO], constants[VF], constants[RELAXATION], constants[VACUUM]
    for lane in range(rho.shape[0]):
        flow_sum[lane] += outflow[lane]
        rho[lane], w[lane] = _new_state(
            rho[lane], w[lane], inflow[lane], outflow[lane], w_before[lane], ratio, vf, relaxation, vacuum
        )
# fmt: on
