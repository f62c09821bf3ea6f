"""Advances blocks: one step of one block, and many steps of many blocks with their signals."""

from __future__ import annotations

import numpy as np

from validation_ch7.traffic.numba_kernel.boundaries import count_inside, enter, leave, pass_stop_lines
from validation_ch7.traffic.numba_kernel.cells import update_cell, update_last_cell, update_three_cells
from validation_ch7.traffic.numba_kernel.compile import Counts, Floats, compiled
from validation_ch7.traffic.numba_kernel.constants import N_APPROACHES
from validation_ch7.traffic.numba_kernel.limits import limit_stop_lines
from validation_ch7.traffic.numba_kernel.signals import advance_signals, set_gates
from validation_ch7.traffic.numba_kernel.stops import count_arrivals_behind_others, count_stops, remember_traffic


@compiled
def advance_block(
    rho: Floats,
    w: Floats,
    gate: Floats,
    arriving_veh: Floats,
    w_in: Floats,
    queue_veh: Floats,
    queue_sum: Floats,
    arrived: Floats,
    served_sum: Floats,
    inside: Floats,
    inside_sum: Floats,
    flow_sum: Floats,
    carried: Floats,
    constants: Floats,
) -> None:
    """Advance the traffic of one block by one step.

    Args:
        rho: Densities, shape (cells, 8 * L), veh/m.
        w: Driver attributes, shape (cells, 8 * L), m/s.
        gate: 1 where the stop line is open, shape (4 * L,).
        arriving_veh: Vehicles that arrive at each entry during the step, shape (4 * L,).
        w_in: Their attribute, shape (4 * L,), m/s.
        queue_veh: Entry queues, shape (4 * L,), vehicles.
        queue_sum: Sum over steps of the queues after entering, shape (4 * L,).
        arrived: Vehicles that arrived so far, shape (4 * L,).
        served_sum: Sum over steps of the flows out of the exits, shape (4 * L,).
        inside: Sum over cells of the densities, shape (8 * L,), updated by inflow and outflow.
        inside_sum: Sum over steps of `inside` before each step, shape (8 * L,).
        flow_sum: Sum over steps and cells of the flows out of the cells, shape (8 * L,).
        carried: Work array for values that a cell passes on to the next, shape (3, 8 * L).
        constants: Vector of the model's constants.
    """
    last, first_exit = rho.shape[0] - 1, gate.shape[0]
    inflow, w_before, outflow = carried[0], carried[1], carried[2]
    enter(rho[0], w[0], arriving_veh, w_in, queue_veh, queue_sum, arrived, inflow, w_before, constants)
    pass_stop_lines(
        rho[last],
        w[last],
        rho[0, first_exit:],
        w[0, first_exit:],
        gate,
        outflow,
        inflow[first_exit:],
        w_before[first_exit:],
        constants,
    )
    leave(rho[last, first_exit:], w[last, first_exit:], outflow[first_exit:], served_sum, constants)
    count_inside(inflow, outflow, inside, inside_sum, constants)
    alone = last % 3
    for cell in range(alone):
        update_cell(rho[cell], w[cell], rho[cell + 1], w[cell + 1], inflow, w_before, flow_sum, constants)
    # fmt: off
    for cell in range(alone, last, 3):
        update_three_cells(
            rho[cell], w[cell], rho[cell + 1], w[cell + 1], rho[cell + 2], w[cell + 2], rho[cell + 3], w[cell + 3],
            inflow, w_before, flow_sum, constants,
        )
    # fmt: on
    update_last_cell(rho[last], w[last], outflow, inflow, w_before, flow_sum, constants)


@compiled
def advance_blocks(
    rho: Floats,
    w: Floats,
    arrivals_veh: Floats,
    w_in: Floats,
    queue_veh: Floats,
    queue_sum: Floats,
    arrived: Floats,
    served_sum: Floats,
    inside: Floats,
    inside_sum: Floats,
    flow_sum: Floats,
    phase: Counts,
    green_steps: Counts,
    change_steps_left: Counts,
    n_switches: Counts,
    n_forced_switches: Counts,
    max_green_steps: int,
    change_interval_steps: int,
    closed_steps: int,
    start_up_lost_steps: int,
    rho_before: Floats,
    v_before: Floats,
    stops: Floats,
    counts_stops: bool,
    limit_veh_s: Floats,
    limited: bool,
    first_step: int,
    n_steps: int,
    steps_per_bin: int,
    first_block: int,
    end_block: int,
    constants: Floats,
) -> None:
    """Advance blocks by many steps, traffic and signals together.

    Arrays are those of `advance_block` with the block as first axis; `arrivals_veh` (per step) and `w_in` have shape
    (bins, blocks, 4 * L). The signals are those of `set_gates` and `advance_signals`, shape (batch,). Stops are those
    of `count_stops`; `rho_before` and `v_before` are work arrays for one block. `limit_veh_s` has the limits of
    `limit_stop_lines` in shape (bins, blocks, 4 * L); it is not read unless `limited`.
    """
    gate = np.empty(queue_veh.shape[1])
    carried = np.empty((3, rho.shape[2]))
    room = np.empty((2, queue_veh.shape[1]))
    crossings = queue_veh.shape[1] // N_APPROACHES
    for block in range(first_block, end_block):
        first = block * crossings
        for step in range(first_step, first_step + n_steps):
            row = step // steps_per_bin
            set_gates(phase, green_steps, change_steps_left, closed_steps, start_up_lost_steps, first, gate)
            if limited:
                limit_stop_lines(rho[block], w[block], limit_veh_s[row, block], gate, constants)
            if counts_stops:
                remember_traffic(rho[block], w[block], rho_before, v_before, constants)
            advance_block(
                rho[block],
                w[block],
                gate,
                arrivals_veh[row, block],
                w_in[row, block],
                queue_veh[block],
                queue_sum[block],
                arrived[block],
                served_sum[block],
                inside[block],
                inside_sum[block],
                flow_sum[block],
                carried,
                constants,
            )
            advance_signals(
                phase,
                green_steps,
                change_steps_left,
                n_switches,
                n_forced_switches,
                first,
                first + crossings,
                max_green_steps,
                change_interval_steps,
            )
            if counts_stops:
                outflow = carried[2]
                count_stops(rho[block], w[block], outflow, rho_before, v_before, stops[block], room, constants)
                count_arrivals_behind_others(queue_veh[block], arrivals_veh[row, block], stops[block])
