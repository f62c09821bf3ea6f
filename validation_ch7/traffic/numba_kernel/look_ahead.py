"""Predicts the delay of crossings under candidate plans: switch after a time, then actuated control.

Many copies of the present traffic ("worlds") advance side by side as the lanes of one block, in single precision: a
prediction decides between plans, and no result is computed from it. Worlds share no data, so a prediction depends
neither on the other worlds nor on the place in a block.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from validation_ch7.traffic.numba_kernel.advance import advance_block
from validation_ch7.traffic.numba_kernel.compile import Counts, Floats, compiled, larger
from validation_ch7.traffic.numba_kernel.constants import DX, N_APPROACHES, N_LINKS, SLOPE, VF
from validation_ch7.traffic.numba_kernel.measures import sum_delay
from validation_ch7.traffic.numba_kernel.signals import advance_signals, set_gates

# float32. The functions that a prediction shares with the simulation are declared for float64.
Singles = npt.NDArray[Any]


@compiled
def _actuated_switches(
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
def _copy_worlds(
    rho: Floats,
    w: Floats,
    queue_veh: Floats,
    inside: Floats,
    chosen: Counts,
    candidates: int,
    first_world: int,
    worlds: int,
    rho_to: Singles,
    w_to: Singles,
    queue_to: Singles,
    inside_to: Singles,
) -> None:
    """Copy the present traffic of the chosen crossings, `candidates` times each, into one block."""
    width, width_to = queue_veh.shape[1] // N_APPROACHES, queue_to.shape[0] // N_APPROACHES
    for link in range(N_LINKS):
        for place in range(worlds):
            number = chosen[(first_world + place) // candidates]
            block, lane, lane_to = number // width, link * width + number % width, link * width_to + place
            inside_to[lane_to] = inside[block, lane]
            if link < N_APPROACHES:
                queue_to[lane_to] = queue_veh[block, lane]
            for cell in range(rho.shape[1]):
                rho_to[cell, lane_to] = rho[block, cell, lane]
                w_to[cell, lane_to] = w[block, cell, lane]


@compiled
def _switch_where_due(
    traffic: Singles,
    queue_veh: Singles,
    signal: Counts,
    step: int,
    rule: tuple[int, float, int, int, int],
    constants: Singles,
) -> None:
    """Start the changes of one block that are due now: a plan's own, and after it those of actuated control.

    The rows of `signal` are phase, green, change, first phase, and the step of the plan's own change; -1 without one,
    or once it has happened.
    """
    zone, gap_density, max_actuated_steps, min_green_steps, change_interval_steps = rule
    phase, green, change, first_phase, plan = signal[0], signal[1], signal[2], signal[3], signal[4]
    for place in range(phase.shape[0]):
        if green[place] < min_green_steps:  # also during a change, when the green is 0
            continue
        if phase[place] != first_phase[place]:
            plan[place] = -1
        if plan[place] >= 0:
            due = step >= plan[place]
        else:
            longest = gap_density if green[place] < max_actuated_steps else 0.0
            due = _actuated_switches(traffic[0], traffic[1], queue_veh, place, phase[place], longest, zone, constants)
        if due:
            phase[place], green[place], change[place] = 1 - phase[place], 0, change_interval_steps


@compiled
def _advance(
    traffic: Singles,
    entries: Singles,
    links: Singles,
    signal: Counts,
    times: tuple[int, int, int, int],
    constants: Singles,
) -> None:
    """Advance one block by one step; the rows of the arrays are those that `predict_delays` names."""
    max_green_steps, change_interval_steps, closed_steps, start_up_lost_steps = times
    set_gates(signal[0], signal[1], signal[2], closed_steps, start_up_lost_steps, 0, entries[5])
    advance_block(
        traffic[0],
        traffic[1],
        entries[5],
        entries[2],
        entries[3],
        entries[0],
        entries[1],
        entries[4],
        links[3, : entries.shape[1]],
        links[0],
        links[1],
        links[2],
        links[4:],
        constants,
    )
    width = signal.shape[1]
    advance_signals(
        signal[0], signal[1], signal[2], signal[5], signal[5], 0, width, max_green_steps, change_interval_steps
    )


@compiled
def predict_delays(
    rho: Floats,
    w: Floats,
    queue_veh: Floats,
    inside: Floats,
    phase_now: Counts,
    green_now: Counts,
    change_now: Counts,
    chosen: Counts,
    arriving_veh: Floats,
    w_in: Floats,
    plans: Counts,
    n_steps: int,
    decide_every: int,
    zone: int,
    gap_s: float,
    max_actuated_steps: int,
    min_green_steps: int,
    max_green_steps: int,
    change_interval_steps: int,
    closed_steps: int,
    start_up_lost_steps: int,
    widest: int,
    delay_veh_s: Floats,
    constants: Singles,
) -> None:
    """Simulate every chosen crossing under every candidate plan.

    Args:
        rho: Densities now, shape (blocks, cells, 8 * L), veh/m.
        w: Driver attributes now, shape (blocks, cells, 8 * L), m/s.
        queue_veh: Entry queues now, shape (blocks, 4 * L), vehicles.
        inside: Sums over cells of the densities now, shape (blocks, 8 * L), veh/m.
        phase_now: Phases now, shape (batch,).
        green_now: Green so far, shape (batch,), steps.
        change_now: Remaining steps of a change, shape (batch,).
        chosen: Numbers of the crossings, shape (n,).
        arriving_veh: Arrivals in each step of the prediction, shape (4, batch), vehicles.
        w_in: Attribute of the arriving drivers, shape (4, batch), m/s.
        plans: Step of each plan's own change, shape (candidates,); the green is held until then, and the change waits
            for the minimum green. Afterwards, and from the start below 0, actuated control decides.
        n_steps: Length of the prediction.
        decide_every: Steps between two decisions.
        zone: Cells before the stop line in which actuated control measures headways.
        gap_s: Its longest headway in s.
        max_actuated_steps: Its longest green.
        min_green_steps: See `SignalTimes`, as the next four.
        max_green_steps: Longest green of the signal.
        change_interval_steps: Yellow and all-red.
        closed_steps: Last steps of a change, without flow.
        start_up_lost_steps: First steps of a green, without flow.
        widest: Largest number of worlds in one block; results do not depend on it.
        delay_veh_s: Output, shape (n, candidates), vehicle-seconds.
        constants: Vector of the model's constants, in single precision.
    """
    candidates = plans.shape[0]
    all_worlds = chosen.shape[0] * candidates
    width = min(widest, all_worlds)
    traffic = np.zeros((2, rho.shape[1], N_LINKS * width), np.float32)
    entries = np.zeros((6, N_APPROACHES * width), np.float32)  # queue, its sum, arrivals, attribute, arrived, gate
    links = np.zeros((7, N_LINKS * width), np.float32)  # content, its sum, sum of flows, served, three work arrays
    signal = np.zeros((6, width), np.int64)  # phase, green, change, first phase, plan, counts without use
    delays = np.empty(width)
    gap_density = zone / (gap_s * constants[VF])
    times = (max_green_steps, change_interval_steps, closed_steps, start_up_lost_steps)
    rule = (zone, gap_density, max_actuated_steps, min_green_steps, change_interval_steps)
    for first in range(0, all_worlds, width):
        worlds = min(width, all_worlds - first)
        for place in range(worlds):
            number = chosen[(first + place) // candidates]
            signal[0, place] = signal[3, place] = phase_now[number]
            signal[1, place], signal[2, place] = green_now[number], change_now[number]
            signal[4, place] = plans[(first + place) % candidates]
            for approach in range(N_APPROACHES):
                entries[2, approach * width + place] = arriving_veh[approach, number]
                entries[3, approach * width + place] = w_in[approach, number]
        links[1:3] = 0.0
        entries[1] = 0.0
        _copy_worlds(
            rho, w, queue_veh, inside, chosen, candidates, first, worlds, traffic[0], traffic[1], entries[0], links[0]
        )
        for step in range(n_steps):
            if step % decide_every == 0:
                _switch_where_due(traffic, entries[0], signal, step, rule, constants)
            _advance(traffic, entries, links, signal, times, constants)
        sum_delay(links[1:2], links[2:3], entries[1:2], N_LINKS, delays, constants)
        for place in range(worlds):
            delay_veh_s[(first + place) // candidates, (first + place) % candidates] = delays[place]
