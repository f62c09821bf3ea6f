"""Limits of the flow through a stop line, for a blocked lane."""

from __future__ import annotations

from validation_ch7.traffic.numba_kernel.compile import Floats, compiled, larger, smaller
from validation_ch7.traffic.numba_kernel.constants import HALF_INVERSE_SLOPE, INVERSE_SLOPE, SLOPE


@compiled
def limit_stop_lines(rho: Floats, w: Floats, limit_veh_s: Floats, gate: Floats, constants: Floats) -> None:
    """Close each gate as far as its flow, that of `pass_stop_lines`, would be above its limit.

    Args:
        rho: Densities, shape (cells, 8 * L), veh/m.
        w: Driver attributes, shape (cells, 8 * L), m/s.
        limit_veh_s: Largest flow, shape (4 * L,), veh/s; infinite where there is no limit.
        gate: Share of the flow that passes, changed in place, shape (4 * L,).
        constants: Vector of the model's constants.
    """
    slope, inverse, half = constants[SLOPE], constants[INVERSE_SLOPE], constants[HALF_INVERSE_SLOPE]
    last, first_exit = rho.shape[0] - 1, gate.shape[0]
    for lane in range(first_exit):
        v = larger(w[0, first_exit + lane] - slope * rho[0, first_exit + lane], 0.0)
        attribute = w[last, lane]
        density = smaller(smaller(v * inverse, rho[last, lane]), attribute * half)
        flow = density * (attribute - density * slope)
        if flow > limit_veh_s[lane]:
            gate[lane] *= limit_veh_s[lane] / flow
