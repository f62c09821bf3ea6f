"""Worlds of a prediction: copies of the present traffic in one block, and the changes of their signals."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from validation_ch7.traffic.numba_kernel.compile import Counts, Floats, compiled, larger
from validation_ch7.traffic.numba_kernel.constants import DX, N_APPROACHES, N_LINKS, SLOPE, VF

Singles = npt.NDArray[np.float32]


@compiled
def actuated_switches(
    rho: Singles, w: Singles, queue_veh: Singles, place: int, phase: int, gap_flow: float, zone: int, constants: Singles
) -> bool:
    """Whether actuated control ends the green of one world: a gap on both approaches, and a vehicle waits on red.

    `gap_flow` is the density sum over the `zone` last cells at which the headway equals the longest gap, in veh/m; 0
    or less once the green has reached its maximum.
    """
    lanes = queue_veh.shape[0]
    width, last = lanes // N_APPROACHES, rho.shape[0] - 1
    slope, vf, dx = constants[SLOPE], constants[VF], constants[DX]
    if gap_flow > 0.0:
        for approach in range(2 * phase, 2 * phase + 2):
            near = constants[DX] * 0
            for back in range(zone):
                near += rho[last - back, approach * width + place]
            if near >= gap_flow:
                return False
    for approach in range(2 - 2 * phase, 4 - 2 * phase):
        lane = approach * width + place
        standing = queue_veh[lane] + constants[DX] * 0
        for back in range(last + 1):
            density = rho[last - back, lane]
            v = larger(w[last - back, lane] - slope * density, 0.0)
            standing += density * (1.0 - v / vf) * dx
            if standing > 0.5:
                return True
    return False


@compiled
def copy_worlds(
    rho: Floats,
    w: Floats,
    queue_veh: Floats,
    inside: Floats,
    chosen: Counts,
    rho_to: Singles,
    w_to: Singles,
    queue_to: Singles,
    inside_to: Singles,
) -> None:
    """Copy the present traffic of the chosen crossings into one block."""
    width, width_to = queue_veh.shape[1] // N_APPROACHES, queue_to.shape[0] // N_APPROACHES
    for link in range(N_LINKS):
        for place in range(chosen.shape[0]):
            number = chosen[place]
            block, lane, lane_to = number // width, link * width + number % width, link * width_to + place
            inside_to[lane_to] = inside[block, lane]
            if link < N_APPROACHES:
                queue_to[lane_to] = queue_veh[block, lane]
            for cell in range(rho.shape[1]):
                rho_to[cell, lane_to] = rho[block, cell, lane]
                w_to[cell, lane_to] = w[block, cell, lane]


@compiled
def switch_where_due(
    rho: Singles,
    w: Singles,
    queue_veh: Singles,
    first_phase: Counts,
    phase: Counts,
    green: Counts,
    change: Counts,
    step: int,
    plan: Counts,
    zone: int,
    gap_density: float,
    max_actuated_steps: int,
    min_green_steps: int,
    change_interval_steps: int,
    constants: Singles,
) -> None:
    """Start the changes of one block that are due now: a plan's own, and after it those of actuated control.

    `plan` holds the step of each world's own change; -1 without one, or once it has happened.
    """
    for place in range(phase.shape[0]):
        if green[place] < min_green_steps:  # also during a change, when the green is 0
            continue
        if phase[place] != first_phase[place]:
            plan[place] = -1
        if plan[place] >= 0:
            due = step >= plan[place]
        else:
            longest = gap_density if green[place] < max_actuated_steps else 0.0
            due = actuated_switches(rho, w, queue_veh, place, phase[place], longest, zone, constants)
        if due:
            phase[place], green[place], change[place] = 1 - phase[place], 0, change_interval_steps


@compiled
def start_worlds(
    phase_now: Counts,
    green_now: Counts,
    change_now: Counts,
    chosen: Counts,
    plans: Counts,
    arriving_veh: Floats,
    w_in: Floats,
    signal: Counts,
    entries: Singles,
    links: Singles,
) -> None:
    """Set signals, plans and arrivals of one block, and set its sums to zero."""
    width = signal.shape[1]
    for place in range(chosen.shape[0]):
        number = chosen[place]
        signal[0, place] = signal[3, place] = phase_now[number]
        signal[1, place], signal[2, place] = green_now[number], change_now[number]
        signal[4, place] = plans[place]
        for approach in range(N_APPROACHES):
            entries[2, approach * width + place] = arriving_veh[approach, number]
            entries[3, approach * width + place] = w_in[approach, number]
    links[1:3] = 0.0
    entries[1] = 0.0
