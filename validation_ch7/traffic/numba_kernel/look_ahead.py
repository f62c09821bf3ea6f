"""Predicts the delay of crossings under plans: switch after a time, then actuated control.

Many copies of the present traffic ("worlds") advance side by side as the lanes of one block, in single precision: a
prediction decides between plans, and no result is computed from it. Worlds share no data, so a prediction depends
neither on the other worlds nor on the place in a block.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from validation_ch7.traffic.numba_kernel.advance import advance_block
from validation_ch7.traffic.numba_kernel.compile import Counts, Floats, compiled
from validation_ch7.traffic.numba_kernel.constants import DT, DX, N_APPROACHES, N_LINKS, VF
from validation_ch7.traffic.numba_kernel.measures import sum_delay
from validation_ch7.traffic.numba_kernel.signals import advance_signals, set_gates
from validation_ch7.traffic.numba_kernel.worlds import Singles, copy_worlds, start_worlds, switch_where_due


@compiled
def mean_of_last_bins(by_bin: Floats, end_step: int, n_steps: int, steps_per_bin: int, crossings: int) -> Floats:
    """Mean over the `n_steps` steps before `end_step`, or over all of them if there are fewer.

    Args:
        by_bin: A value of each step, by bin, shape (bins, blocks, 4 * L). Later bins are never read.
        end_step: Number of steps done.
        n_steps: Steps of the mean.
        steps_per_bin: Steps in one bin.
        crossings: Size of the batch.

    Returns:
        Shape (4, batch); zeros at the start, when there is no step yet.
    """
    width = by_bin.shape[2] // N_APPROACHES
    mean = np.zeros((N_APPROACHES, crossings))
    first_step = max(0, end_step - n_steps)
    row = first_step // steps_per_bin
    while row * steps_per_bin < end_step:
        share = (min(end_step, (row + 1) * steps_per_bin) - max(first_step, row * steps_per_bin)) / (
            end_step - first_step
        )
        for approach in range(N_APPROACHES):
            for number in range(crossings):
                mean[approach, number] += share * by_bin[row, number // width, approach * width + number % width]
        row += 1
    return mean


# fmt: off
@compiled
def _advance_worlds(
    traffic: Any, entries: Any, links: Any, signal: Counts, n_steps: int, decide_every: int, zone: int,
    gap_density: float, max_actuated_steps: int, min_green_steps: int, max_green_steps: int,
    change_interval_steps: int, closed_steps: int, start_up_lost_steps: int, constants: Any,
) -> None:
    """Advance one block to the end of the prediction."""
    lanes, width = entries.shape[1], signal.shape[1]
    rho, w, queue_veh = traffic[0], traffic[1], entries[0]
    phase, green, change = signal[0], signal[1], signal[2]
    for step in range(n_steps):
        if step % decide_every == 0:
            switch_where_due(
                rho, w, queue_veh, signal[3], phase, green, change, step, signal[4], zone, gap_density,
                max_actuated_steps, min_green_steps, change_interval_steps, constants,
            )
        set_gates(phase, green, change, closed_steps, start_up_lost_steps, 0, entries[5])
        advance_block(
            rho, w, entries[5], entries[2], entries[3], queue_veh, entries[1], entries[4], links[3, :lanes], links[0],
            links[1], links[2], links[4:], constants,
        )
        advance_signals(
            phase, green, change, signal[5], signal[5], 0, width, max_green_steps, change_interval_steps
        )
# fmt: on


@compiled
def _backlog(queue_veh: Singles, inside: Singles, width: int, place: int, dx_m: float) -> float:
    """Sum over the approaches of the squared vehicles before the stop line, entry queue included."""
    squares = 0.0
    for approach in range(N_APPROACHES):
        lane = approach * width + place
        left_veh = queue_veh[lane] + inside[lane] * dx_m
        squares += left_veh * left_veh
    return squares


@compiled
def _count_expected(queue_veh: Singles, inside: Singles, arriving_veh: Singles, n_steps: int, dx_m: float) -> Floats:
    """Vehicles of each approach in the whole prediction: those before the stop line now, and the arrivals."""
    expected_veh = np.empty(queue_veh.shape[0])
    for lane in range(queue_veh.shape[0]):
        expected_veh[lane] = queue_veh[lane] + inside[lane] * dx_m + arriving_veh[lane] * n_steps
    return expected_veh


@compiled
def _squared_delay(
    inside_sum: Singles,
    flow_sum: Singles,
    queue_sum: Singles,
    expected_veh: Floats,
    width: int,
    place: int,
    constants: Any,
) -> float:
    """Sum over the approaches of the squared mean delay of their vehicles, times their number, in veh s2.

    One vehicle is added to each number, so that a fraction of a vehicle does not count like a whole one.
    """
    dt, cell_step = constants[DT], constants[DX] * constants[DT]
    squares = 0.0
    for approach in range(N_APPROACHES):
        lane = approach * width + place
        delay_veh_s = inside_sum[lane] * cell_step - flow_sum[lane] * cell_step / constants[VF] + queue_sum[lane] * dt
        squares += delay_veh_s * delay_veh_s / (expected_veh[lane] + 1.0)
    return squares


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
    plans: Counts,
    arriving_veh: Floats,
    w_in: Floats,
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
    backlog_weight: float,
    fairness_weight: float,
    delay_veh_s: Floats,
    constants: Any,
) -> None:
    """Simulate chosen crossings, each under a plan; a crossing may be chosen several times.

    Args:
        rho: Densities now, shape (blocks, cells, 8 * L), veh/m.
        w: Driver attributes now, shape (blocks, cells, 8 * L), m/s.
        queue_veh: Entry queues now, shape (blocks, 4 * L), vehicles.
        inside: Sums over cells of the densities now, shape (blocks, 8 * L), veh/m.
        phase_now: Phases now, shape (batch,).
        green_now: Green so far, shape (batch,), steps.
        change_now: Remaining steps of a change, shape (batch,).
        chosen: Numbers of the crossings, shape (n,).
        plans: Step of each plan's own change, shape (n,); the green is held until then, and the change waits for the
            minimum green. Afterwards, and from the start below 0, actuated control decides.
        arriving_veh: Arrivals in each step of the prediction, shape (4, batch), vehicles.
        w_in: Attribute of the arriving drivers, shape (4, batch), m/s.
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
        backlog_weight: Added to the delay for each approach: this times the square of the vehicles that are left
            before its stop line at the end, in s/veh.
        fairness_weight: Added for each approach: this times the squared mean delay of its vehicles before the stop
            line, times their number, in 1/s.
        delay_veh_s: Output, shape (n,), vehicle-seconds.
        constants: Vector of the model's constants, in single precision.
    """
    all_worlds = chosen.shape[0]
    width = -(-all_worlds // -(-all_worlds // widest))  # equal blocks: an unused world takes as long as any
    lanes, cells = N_APPROACHES * width, rho.shape[1]
    traffic = np.zeros((2, cells, 2 * lanes), np.float32)
    entries = np.zeros((6, lanes), np.float32)  # queue, its sum, arrivals, attribute, arrived, gate
    links = np.zeros((7, 2 * lanes), np.float32)  # content, its sum, sum of flows, served, three work arrays
    signal = np.zeros((6, width), np.int64)  # phase, green, change, first phase, plan, counts without use
    delays = np.empty(width)
    gap_density = zone / (gap_s * constants[VF])
    for first in range(0, all_worlds, width):
        worlds = min(width, all_worlds - first)
        here, own = chosen[first : first + worlds], plans[first : first + worlds]
        start_worlds(phase_now, green_now, change_now, here, own, arriving_veh, w_in, signal, entries, links)
        copy_worlds(rho, w, queue_veh, inside, here, traffic[0], traffic[1], entries[0], links[0])
        expected_veh = _count_expected(entries[0], links[0], entries[2], n_steps, constants[DX])
        # fmt: off
        _advance_worlds(
            traffic, entries, links, signal, n_steps, decide_every, zone, gap_density, max_actuated_steps,
            min_green_steps, max_green_steps, change_interval_steps, closed_steps, start_up_lost_steps, constants,
        )
        # fmt: on
        sum_delay(links[1:2], links[2:3], entries[1:2], N_LINKS, delays, constants)
        for place in range(worlds):
            left = _backlog(entries[0], links[0], width, place, constants[DX])
            squares = _squared_delay(links[1], links[2], entries[1], expected_veh, width, place, constants)
            delay_veh_s[first + place] = delays[place] + backlog_weight * left + fairness_weight * squares
