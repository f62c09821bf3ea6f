"""Measures of the traffic: detector counts now, and delay so far."""

from __future__ import annotations

import numpy as np

from validation_ch7.traffic.numba_kernel.compile import Floats, compiled, larger
from validation_ch7.traffic.numba_kernel.constants import DT, DX, N_APPROACHES, SLOPE, VF


@compiled
def _count_cell(rho: Floats, w: Floats, standing: Floats, counted: Floats, slope: float, vf: float) -> None:
    for lane in range(rho.shape[0]):
        v = larger(w[lane] - slope * rho[lane], 0.0)
        standing[lane] += rho[lane] * (1.0 - v / vf)
        counted[lane] += rho[lane]


@compiled
def count_vehicles(
    rho: Floats, w: Floats, queue_veh: Floats, first_near: int, counted: Floats, constants: Floats
) -> None:
    """Count the vehicles of every approach like detectors.

    Args:
        rho: Densities, shape (blocks, cells, 8 * L), veh/m.
        w: Driver attributes, shape (blocks, cells, 8 * L), m/s.
        queue_veh: Entry queues, shape (blocks, 4 * L), vehicles.
        first_near: First cell that counts as near the stop line.
        counted: Output, shape (3, 4, batch), vehicles: standing-equivalent ones `sum rho (1 - v / vf) dx` with the
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
    """Sum the delay of every crossing over its links in order, then over its entry queues.

    Args:
        inside_sum: See `advance_block`, shape (blocks, 8 * L).
        flow_sum: See `advance_block`, shape (blocks, 8 * L).
        queue_sum: See `advance_block`, shape (blocks, 4 * L).
        links: Number of links to sum: 4 for the approaches only, 8 for all.
        delay_veh_s: Output, shape (batch,), vehicle-seconds.
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
