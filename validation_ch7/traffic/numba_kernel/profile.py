"""Vehicles along every approach, piece by piece, the approaches of the green axis first."""

from __future__ import annotations

from validation_ch7.traffic.numba_kernel.compile import Counts, Floats, compiled, larger
from validation_ch7.traffic.numba_kernel.constants import DX, N_APPROACHES, SLOPE, VF


@compiled
def count_along(
    rho: Floats, w: Floats, queue_veh: Floats, phase: Counts, edges: Counts, counted: Floats, constants: Floats
) -> None:
    """Count vehicles in the pieces of every approach.

    Args:
        rho: Densities, shape (blocks, cells, 8 * L), veh/m.
        w: Driver attributes, shape (blocks, cells, 8 * L), m/s.
        queue_veh: Entry queues, shape (blocks, 4 * L), vehicles.
        phase: Phases, shape (batch,). Of phase 1 the order of approaches is E, W, N, S.
        edges: Cells from the stop line at which a piece ends, shape (pieces + 1,), from 0.
        counted: Output, shape (batch, 4, 2 * pieces + 1), vehicles: all of each piece from the stop line on, the
            standing-equivalent ones `sum rho (1 - v / vf) dx` of each piece, and the entry queue.
        constants: Vector of the model's constants.
    """
    slope, vf, dx = constants[SLOPE], constants[VF], constants[DX]
    crossings, last, pieces = queue_veh.shape[1] // N_APPROACHES, rho.shape[1] - 1, edges.shape[0] - 1
    for number in range(phase.shape[0]):
        block, place = number // crossings, number % crossings
        for approach in range(N_APPROACHES):
            lane = approach * crossings + place
            row = counted[number, (approach + 2 * phase[number]) % N_APPROACHES]
            for piece in range(pieces):
                vehicles, standing = 0.0, 0.0
                for back in range(edges[piece], edges[piece + 1]):
                    density = rho[block, last - back, lane]
                    v = larger(w[block, last - back, lane] - slope * density, 0.0)
                    vehicles += density
                    standing += density * (1.0 - v / vf)
                row[piece] = vehicles * dx
                row[pieces + piece] = standing * dx
            row[2 * pieces] = queue_veh[block, lane]
