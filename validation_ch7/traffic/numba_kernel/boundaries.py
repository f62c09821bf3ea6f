"""The ends of lanes in one step: entries, stop lines, exits."""

from __future__ import annotations

from validation_ch7.traffic.numba_kernel.compile import Floats, compiled, larger, smaller
from validation_ch7.traffic.numba_kernel.constants import CELL_RATIO, DT, HALF_INVERSE_SLOPE, INVERSE_SLOPE, SLOPE, ZERO


@compiled
def enter(
    rho_first: Floats,
    w_first: Floats,
    arriving_veh: Floats,
    w_in: Floats,
    queue_veh: Floats,
    queue_sum: Floats,
    arrived: Floats,
    inflow: Floats,
    w_before: Floats,
    constants: Floats,
) -> None:
    """Entries of the approaches: waiting and arriving vehicles enter as far as the first cell has room."""
    slope, half, dt, zero = constants[SLOPE], constants[HALF_INVERSE_SLOPE], constants[DT], constants[ZERO]
    for lane in range(queue_veh.shape[0]):
        v = larger(w_first[lane] - slope * rho_first[lane], zero)
        attribute = w_in[lane]
        receiving = larger((attribute - v) / slope, attribute * half)
        room = receiving * (attribute - slope * receiving)
        waiting = queue_veh[lane] + arriving_veh[lane]
        entering = smaller(waiting, room * dt)
        queue_veh[lane] = waiting - entering
        arrived[lane] += arriving_veh[lane]
        queue_sum[lane] += waiting - entering
        inflow[lane] = entering / dt
        w_before[lane] = attribute


@compiled
def pass_stop_lines(
    rho_last: Floats,
    w_last: Floats,
    rho_exit: Floats,
    w_exit: Floats,
    gate: Floats,
    outflow: Floats,
    inflow_exit: Floats,
    w_before_exit: Floats,
    constants: Floats,
) -> None:
    """Stop lines: an open one is a normal interface, so a full exit blocks it; a closed one has no flow."""
    slope, inverse, half = constants[SLOPE], constants[INVERSE_SLOPE], constants[HALF_INVERSE_SLOPE]
    zero = constants[ZERO]
    for lane in range(gate.shape[0]):
        v = larger(w_exit[lane] - slope * rho_exit[lane], zero)
        attribute = w_last[lane]
        density = smaller(smaller(v * inverse, rho_last[lane]), attribute * half)
        flow = density * (attribute - density * slope) * gate[lane]
        outflow[lane] = flow
        inflow_exit[lane] = flow
        w_before_exit[lane] = attribute


@compiled
def leave(rho_last: Floats, w_last: Floats, outflow: Floats, served_sum: Floats, constants: Floats) -> None:
    """Ends of the exits: vehicles leave freely, at the cell's demand."""
    slope, half = constants[SLOPE], constants[HALF_INVERSE_SLOPE]
    for lane in range(outflow.shape[0]):
        attribute = w_last[lane]
        density = smaller(rho_last[lane], attribute * half)
        flow = density * (attribute - slope * density)
        outflow[lane] = flow
        served_sum[lane] += flow


@compiled
def count_inside(inflow: Floats, outflow: Floats, inside: Floats, inside_sum: Floats, constants: Floats) -> None:
    """Update the content of each lane from its inflow and outflow; cheaper than summing its cells at every step."""
    ratio = constants[CELL_RATIO]
    for lane in range(inside.shape[0]):
        inside_sum[lane] += inside[lane]
        inside[lane] += (inflow[lane] - outflow[lane]) * ratio
