"""The scheme of `arz` once more, compiled: whole decision intervals while a block of crossings stays in the cache.

A block holds `L` crossings. Its arrays have the cells first and the lanes last, lane `link * L + crossing`: every
loop over lanes is one stretch of memory and one instruction for several lanes. Cells are updated in place in a
single pass, each carrying its old outflow and attribute on to the next one.

No reassociation and no fused multiply-add is allowed (`fastmath` stays off), every lane is computed for itself, and
sums over cells are added in the order of the cells: results do not depend on blocks, lanes or threads, and in
float64 they are those of `arz` to the last bit. Tests hold both.

All compiled functions stand in this one file: the compiler's cache notices changes of a function's own file only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
_Function = TypeVar("_Function", bound=Callable[..., Any])

N_APPROACHES = 4
N_LINKS = 2 * N_APPROACHES

# Below this density a cell holds no vehicle whose attribute could matter; it keeps divisions defined.
VACUUM_VEH_M = 1e-250

# Places in the vector of constants.
SLOPE, INVERSE_SLOPE, HALF_INVERSE_SLOPE, CELL_RATIO, DT, DX, VF, RELAXATION = range(8)


def compiled(function: _Function) -> _Function:
    """Compile at the first call, without the interpreter's lock, divisions as numpy does them."""
    return cast(_Function, numba.njit(function, nogil=True, error_model="numpy", cache=True))


# `max` and `min` treat NaN specially, which the vectoriser cannot follow.
@compiled
def _larger(one: float, other: float) -> float:
    return one if one > other else other


@compiled
def _smaller(one: float, other: float) -> float:
    return one if one < other else other


@compiled
def _enter(
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
    """Entries of the approaches: all who wait and come, as far as the first cell has room."""
    slope, half, dt = constants[SLOPE], constants[HALF_INVERSE_SLOPE], constants[DT]
    for lane in range(queue_veh.shape[0]):
        v = _larger(w_first[lane] - slope * rho_first[lane], 0.0)
        attribute = w_in[lane]
        receiving = _larger((attribute - v) / slope, attribute * half)
        room = receiving * (attribute - slope * receiving)
        waiting = queue_veh[lane] + arriving_veh[lane]
        entering = _smaller(waiting, room * dt)
        queue_veh[lane] = waiting - entering
        arrived[lane] += arriving_veh[lane]
        queue_sum[lane] += waiting - entering
        inflow[lane] = entering / dt
        w_before[lane] = attribute


@compiled
def _pass_stop_lines(
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
    """An open stop line is an interface like any other: a full exit closes it by itself."""
    slope, inverse, half = constants[SLOPE], constants[INVERSE_SLOPE], constants[HALF_INVERSE_SLOPE]
    for lane in range(gate.shape[0]):
        v = _larger(w_exit[lane] - slope * rho_exit[lane], 0.0)
        attribute = w_last[lane]
        density = _smaller(_smaller(v * inverse, rho_last[lane]), attribute * half)
        flow = density * (attribute - density * slope) * gate[lane]
        outflow[lane] = flow
        inflow_exit[lane] = flow
        w_before_exit[lane] = attribute


@compiled
def _leave(rho_last: Floats, w_last: Floats, outflow: Floats, served_sum: Floats, constants: Floats) -> None:
    """Exits end freely: they send what they can."""
    slope, half = constants[SLOPE], constants[HALF_INVERSE_SLOPE]
    for lane in range(outflow.shape[0]):
        attribute = w_last[lane]
        density = _smaller(rho_last[lane], attribute * half)
        flow = density * (attribute - slope * density)
        outflow[lane] = flow
        served_sum[lane] += flow


@compiled
def _count_inside(inflow: Floats, outflow: Floats, inside: Floats, inside_sum: Floats, constants: Floats) -> None:
    """Keep count of who is on each lane; cheaper than adding up its cells at every step."""
    ratio = constants[CELL_RATIO]
    for lane in range(inside.shape[0]):
        inside_sum[lane] += inside[lane]
        inside[lane] += (inflow[lane] - outflow[lane]) * ratio


@compiled
def _update_cell(
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
    ratio, vf, relaxation = constants[CELL_RATIO], constants[VF], constants[RELAXATION]
    for lane in range(rho.shape[0]):
        density, attribute = rho[lane], w[lane]
        v_next = _larger(w_next[lane] - slope * rho_next[lane], 0.0)
        passing = _smaller(_smaller(v_next * inverse, density), attribute * half)
        flow = passing * (attribute - passing * slope)
        came = inflow[lane] * ratio
        new = density - flow * ratio + came
        share = came / _larger(new, VACUUM_VEH_M)
        mixed = (w_before[lane] - attribute) * share + attribute
        flow_sum[lane] += flow
        inflow[lane] = flow
        w_before[lane] = attribute
        rho[lane] = new
        w[lane] = (mixed - vf) * relaxation + vf


@compiled
def _update_last_cell(
    rho: Floats,
    w: Floats,
    outflow: Floats,
    inflow: Floats,
    w_before: Floats,
    flow_sum: Floats,
    constants: Floats,
) -> None:
    """The last cell of every lane, whose outflow is the boundary's."""
    ratio, vf, relaxation = constants[CELL_RATIO], constants[VF], constants[RELAXATION]
    for lane in range(rho.shape[0]):
        density, attribute = rho[lane], w[lane]
        came = inflow[lane] * ratio
        new = density - outflow[lane] * ratio + came
        share = came / _larger(new, VACUUM_VEH_M)
        mixed = (w_before[lane] - attribute) * share + attribute
        flow_sum[lane] += outflow[lane]
        rho[lane] = new
        w[lane] = (mixed - vf) * relaxation + vf


@compiled
def _count_cell(rho: Floats, w: Floats, standing: Floats, counted: Floats, slope: float, vf: float) -> None:
    for lane in range(rho.shape[0]):
        v = _larger(w[lane] - slope * rho[lane], 0.0)
        standing[lane] += rho[lane] * (1.0 - v / vf)
        counted[lane] += rho[lane]


@compiled
def grant_requests(
    wanted: Counts,
    phase: Counts,
    green_steps: Counts,
    change_steps_left: Counts,
    n_switches: Counts,
    min_green_steps: int,
    change_interval_steps: int,
) -> bool:
    """Begin the changes that are asked for and allowed.

    Returns:
        False, with nothing changed, if a phase asked for does not exist.
    """
    for number in range(wanted.shape[0]):
        if wanted[number] != 0 and wanted[number] != 1:
            return False
    for number in range(wanted.shape[0]):
        # During a change no green has run, so the minimum green refuses it as well.
        if wanted[number] != phase[number] and green_steps[number] >= min_green_steps:
            phase[number] = wanted[number]
            green_steps[number] = 0
            change_steps_left[number] = change_interval_steps
            n_switches[number] += 1
    return True


@compiled
def set_gates(phase: Counts, change_steps_left: Counts, first: int, gate: Floats) -> None:
    """Open the stop lines of the crossings from `first` on that have green, in the order N, S, E, W.

    Args:
        phase: Of all crossings, shape (batch,).
        change_steps_left: Of all crossings, shape (batch,).
        first: The crossing of the gate's first lane.
        gate: Written: 1 where open, shape (4 * L,); places beyond the batch stay closed.
    """
    crossings = gate.shape[0] // N_APPROACHES
    for place in range(crossings):
        number = first + place
        green = number < phase.shape[0] and change_steps_left[number] == 0
        north_south = 1.0 if green and phase[number] == 0 else 0.0
        east_west = 1.0 if green and phase[number] == 1 else 0.0
        gate[place] = gate[crossings + place] = north_south
        gate[2 * crossings + place] = gate[3 * crossings + place] = east_west


@compiled
def advance_signals(
    phase: Counts,
    green_steps: Counts,
    change_steps_left: Counts,
    n_switches: Counts,
    n_forced_switches: Counts,
    first: int,
    end: int,
    max_green_steps: int,
    change_interval_steps: int,
) -> None:
    """Let one solver step pass for the signals `first` to `end`; green that has lasted too long ends."""
    for number in range(first, min(end, phase.shape[0])):
        if change_steps_left[number] > 0:
            change_steps_left[number] -= 1
        else:
            green_steps[number] += 1
        if green_steps[number] >= max_green_steps:
            phase[number] = 1 - phase[number]
            green_steps[number] = 0
            change_steps_left[number] = change_interval_steps
            n_switches[number] += 1
            n_forced_switches[number] += 1


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
    """Move the traffic of one block on by one step.

    Args:
        rho: Densities, shape (cells, 8 * L), veh/m.
        w: Driver attributes, shape (cells, 8 * L), m/s.
        gate: 1 where the stop line is open, shape (4 * L,).
        arriving_veh: Vehicles that come to each entry during the step, shape (4 * L,).
        w_in: Their attribute, shape (4 * L,), m/s.
        queue_veh: Entry queues, shape (4 * L,), vehicles.
        queue_sum: Sum over steps of the queues after entering, shape (4 * L,).
        arrived: Vehicles that came so far, shape (4 * L,).
        served_sum: Sum over steps of the flows out of the exits, shape (4 * L,).
        inside: Sum over cells of the densities, shape (8 * L,), kept by what comes and goes.
        inside_sum: Sum over steps of `inside` before each step, shape (8 * L,).
        flow_sum: Sum over steps and cells of the flows out of the cells, shape (8 * L,).
        carried: Room for what a cell hands to the next, shape (3, 8 * L).
        constants: Vector of the model's constants.
    """
    last, first_exit = rho.shape[0] - 1, gate.shape[0]
    inflow, w_before, outflow = carried[0], carried[1], carried[2]
    _enter(rho[0], w[0], arriving_veh, w_in, queue_veh, queue_sum, arrived, inflow, w_before, constants)
    _pass_stop_lines(
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
    _leave(rho[last, first_exit:], w[last, first_exit:], outflow[first_exit:], served_sum, constants)
    _count_inside(inflow, outflow, inside, inside_sum, constants)
    for cell in range(last):
        _update_cell(rho[cell], w[cell], rho[cell + 1], w[cell + 1], inflow, w_before, flow_sum, constants)
    _update_last_cell(rho[last], w[last], outflow, inflow, w_before, flow_sum, constants)


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
    first_step: int,
    n_steps: int,
    steps_per_bin: int,
    first_block: int,
    end_block: int,
    constants: Floats,
) -> None:
    """Move whole blocks on by many steps, traffic and signals together.

    Arrays are those of `advance_block` with the block as their first axis; `arrivals_veh` (per step) and `w_in` have
    shape (bins, blocks, 4 * L). The signals are those of `advance_signals`, shape (batch,).
    """
    gate = np.empty(queue_veh.shape[1])
    carried = np.empty((3, rho.shape[2]))
    crossings = queue_veh.shape[1] // N_APPROACHES
    for block in range(first_block, end_block):
        first = block * crossings
        for step in range(first_step, first_step + n_steps):
            row = step // steps_per_bin
            set_gates(phase, change_steps_left, first, gate)
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


@compiled
def count_vehicles(
    rho: Floats, w: Floats, queue_veh: Floats, first_near: int, counted: Floats, constants: Floats
) -> None:
    """Count the vehicles of every approach as detectors would.

    Args:
        rho: Densities, shape (blocks, cells, 8 * L), veh/m.
        w: Driver attributes, shape (blocks, cells, 8 * L), m/s.
        queue_veh: Entry queues, shape (blocks, 4 * L), vehicles.
        first_near: First cell that counts as near the stop line.
        counted: Written, shape (3, 4, batch), vehicles: standing-equivalent ones `sum rho (1 - v / vf) dx` with the
            entry queue; those from `first_near` on; those before it.
        constants: Vector of the model's constants.
    """
    slope, vf, dx = constants[SLOPE], constants[VF], constants[DX]
    lanes = queue_veh.shape[1]
    crossings, batch = lanes // N_APPROACHES, counted.shape[2]
    sums = np.empty((3, lanes))
    for block in range(rho.shape[0]):
        sums[:] = 0.0
        for cell in range(rho.shape[1]):
            _count_cell(
                rho[block, cell, :lanes],
                w[block, cell, :lanes],
                sums[0],
                sums[1] if cell >= first_near else sums[2],
                slope,
                vf,
            )
        first = block * crossings
        here = min(crossings, batch - first)
        for approach in range(N_APPROACHES):
            for place in range(here):
                lane = approach * crossings + place
                counted[0, approach, first + place] = sums[0, lane] * dx + queue_veh[block, lane]
                counted[1, approach, first + place] = sums[1, lane] * dx
                counted[2, approach, first + place] = sums[2, lane] * dx


@compiled
def sum_delay(
    inside_sum: Floats, flow_sum: Floats, queue_sum: Floats, links: int, delay_veh_s: Floats, constants: Floats
) -> None:
    """Add up the delay of every crossing, link after link, then that of its entry queues.

    Args:
        inside_sum: See `advance_block`, shape (blocks, 8 * L).
        flow_sum: See `advance_block`, shape (blocks, 8 * L).
        queue_sum: See `advance_block`, shape (blocks, 4 * L).
        links: The first so many count: 4 for the approaches alone, 8 for all.
        delay_veh_s: Written, shape (batch,), vehicle-seconds.
        constants: Vector of the model's constants.
    """
    dt, vf = constants[DT], constants[VF]
    cell_step = constants[DX] * dt
    crossings = queue_sum.shape[1] // N_APPROACHES
    for number in range(delay_veh_s.shape[0]):
        block, place = number // crossings, number % crossings
        driving, waiting = 0.0, 0.0
        for link in range(links):
            lane = link * crossings + place
            driving += inside_sum[block, lane] * cell_step - flow_sum[block, lane] * cell_step / vf
        for approach in range(N_APPROACHES):
            waiting += queue_sum[block, approach * crossings + place] * dt
        delay_veh_s[number] = driving + waiting
