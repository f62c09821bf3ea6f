"""Counts stops: the braking of vehicles on the approaches, step by step."""

from __future__ import annotations

from validation_ch7.traffic.numba_kernel.compile import Floats, compiled, larger
from validation_ch7.traffic.numba_kernel.constants import DT, DX, SLOPE, VF


@compiled
def _remember_cell(rho: Floats, w: Floats, rho_before: Floats, v_before: Floats, slope: float) -> None:
    for lane in range(rho_before.shape[0]):
        rho_before[lane] = rho[lane]
        v_before[lane] = larger(w[lane] - slope * rho[lane], 0.0)


@compiled
def remember_traffic(rho: Floats, w: Floats, rho_before: Floats, v_before: Floats, constants: Floats) -> None:
    """Store density and speed of a block's approaches before a step.

    Args:
        rho: Densities, shape (cells, 8 * L), veh/m.
        w: Driver attributes, shape (cells, 8 * L), m/s.
        rho_before: Output, shape (cells, 4 * L), veh/m.
        v_before: Output, shape (cells, 4 * L), m/s.
        constants: Vector of the model's constants.
    """
    for cell in range(rho.shape[0]):
        _remember_cell(rho[cell], w[cell], rho_before[cell], v_before[cell], constants[SLOPE])


@compiled
def _count_cell(
    rho: Floats,
    w: Floats,
    rho_before: Floats,
    v_before: Floats,
    passed: Floats,
    v_next: Floats,
    stops: Floats,
    constants: Floats,
) -> None:
    """One cell of every lane; `passed` (veh) and `v_next` become those of the interface before it."""
    slope, dx, vf = constants[SLOPE], constants[DX], constants[VF]
    for lane in range(stops.shape[0]):
        v = larger(w[lane] - slope * rho[lane], 0.0)
        were, left = rho_before[lane] * dx, passed[lane]
        momentum_lost = were * v_before[lane] - (were - left) * v - left * v_next[lane]
        stops[lane] += larger(momentum_lost, 0.0) / vf
        passed[lane] = left - were + rho[lane] * dx
        v_next[lane] = v


@compiled
def count_stops(
    rho: Floats,
    w: Floats,
    outflow: Floats,
    rho_before: Floats,
    v_before: Floats,
    stops: Floats,
    room: Floats,
    constants: Floats,
) -> None:
    """Add the stops of a block's vehicles in the last step.

    The vehicles of a cell are then in the same cell or in the next one. Their mean loss of speed over the free speed
    is the fraction of a stop; braking from the free speed to a standstill is exactly one stop.

    Args:
        rho: Densities now, shape (cells, 8 * L), veh/m.
        w: Driver attributes now, shape (cells, 8 * L), m/s.
        outflow: Flow over the stop lines in the step, shape (4 * L,), veh/s.
        rho_before: Of `remember_traffic`, shape (cells, 4 * L), veh/m.
        v_before: Of `remember_traffic`, shape (cells, 4 * L), m/s.
        stops: Stops so far, shape (4 * L,); updated.
        room: Work array for values that an interface passes on to the one before, shape (2, 4 * L).
        constants: Vector of the model's constants.

    Source:
        Rakha, Kang & Dion, Transp. Res. Record 1776:128-137, 2001 (stops as braking over the free speed).
    """
    lanes, last = stops.shape[0], rho.shape[0] - 1
    passed, v_next = room[0], room[1]
    for lane in range(lanes):
        passed[lane] = outflow[lane] * constants[DT]
        v_next[lane] = larger(w[0, lanes + lane] - constants[SLOPE] * rho[0, lanes + lane], 0.0)
    for back in range(rho.shape[0]):
        cell = last - back
        _count_cell(rho[cell], w[cell], rho_before[cell], v_before[cell], passed, v_next, stops, constants)


@compiled
def count_arrivals_behind_others(queue_veh: Floats, arriving_veh: Floats, stops: Floats) -> None:
    """Count one stop for each vehicle that arrives behind an entry queue; all shapes (4 * L,), vehicles.

    Any wait counts. Some Poisson arrivals are always faster than the entry's capacity, so a crossing has a few
    hundredths of a stop per vehicle under every controller, even if the light never turns red.
    """
    for lane in range(stops.shape[0]):
        if queue_veh[lane] > 0.0:
            stops[lane] += arriving_veh[lane]
