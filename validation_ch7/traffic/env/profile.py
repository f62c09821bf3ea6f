"""A detailed observation, seen from the green axis: what detectors along each approach measure.

The approaches of the axis that has green come first, and the action is relative, 0 to keep the phase and 1 to change
it. So one network serves both axes. Within an axis no approach differs from the other: `mirrors` exchanges them.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.arz import Floats
from validation_ch7.traffic.numba_kernel.constants import N_APPROACHES

_EDGES_M = (0.0, 30.0, 60.0, 100.0, 150.0, 200.0, 300.0)
_PIECES = len(_EDGES_M) - 1
_MEMORIES_S = (40.0, 240.0)
_PER_APPROACH = 2 * _PIECES + 1 + len(_MEMORIES_S)
_QUEUE_SCALE_VEH = 10.0
_RATE_SCALE_VEH_S = 0.25
_GREEN_SCALE_S, _SHORT_GREEN_S, _CHANGE_SCALE_S = 60.0, 10.0, 4.0

N_FEATURES = N_APPROACHES * _PER_APPROACH + 3


def observe_profile(simulation: CrossingSimulation) -> npt.NDArray[np.float32]:
    """Features of each scenario, shape (batch, 63).

    Fifteen per approach, both of the green axis (of the next green during a change) first: the density of each piece
    between 0, 30, 60, 100, 150, 200 and 300 m before the stop line, and that of its standing-equivalent vehicles, both
    over half the jam density; `log1p` of the entry queue over 10 vehicles; mean arrivals of the last 40 and 240 s over
    0.25 veh/s. Then the green so far over 60 s, the rest of a change over 4 s, and the green over 10 s, at most 1.
    """
    settings, traffic, signal = simulation.settings, simulation.traffic, simulation.signal
    dt_s, batch = settings.traffic.dt_s, simulation.batch
    columns = np.empty((_PER_APPROACH, N_APPROACHES, batch))
    columns[: 2 * _PIECES] = _along(simulation).reshape(2 * _PIECES, N_APPROACHES, batch)
    columns[2 * _PIECES] = np.log1p(traffic.queue_veh.reshape(N_APPROACHES, batch) / _QUEUE_SCALE_VEH)
    for column, memory_s in enumerate(_MEMORIES_S, start=2 * _PIECES + 1):
        columns[column] = simulation.recent_inflow(memory_s)[0] / (dt_s * _RATE_SCALE_VEH_S)
    order = (np.arange(N_APPROACHES) + 2 * signal.phase[:, None]) % N_APPROACHES
    features = np.empty((batch, N_FEATURES))
    rows = np.take_along_axis(columns.transpose(2, 1, 0), order[:, :, None], axis=1)
    features[:, : N_APPROACHES * _PER_APPROACH] = rows.reshape(batch, -1)
    green_s = signal.green_steps * dt_s
    features[:, -3] = green_s / _GREEN_SCALE_S
    features[:, -2] = signal.change_steps_left * (dt_s / _CHANGE_SCALE_S)
    features[:, -1] = np.minimum(green_s / _SHORT_GREEN_S, 1.0)
    return features.astype(np.float32)


def _along(simulation: CrossingSimulation) -> Floats:
    """Density over half the jam density, of all vehicles in each piece and of the standing-equivalent ones.

    Cells are added one after another, so that the rounding is the same in every batch.

    Returns:
        Shape (2 * pieces, 4 * batch); zeros for pieces beyond the link.
    """
    parameters, traffic = simulation.settings.traffic, simulation.traffic
    lanes = N_APPROACHES * simulation.batch
    rho, w = traffic.rho[:lanes].T, traffic.w[:lanes].T
    standing = rho * (1.0 - np.maximum(w - parameters.pressure_slope * rho, 0.0) / parameters.vf_m_s)
    edges = [min(round(edge / parameters.dx_m), parameters.n_cells) for edge in _EDGES_M]
    sums = np.zeros((2 * _PIECES, lanes))
    for piece, (first, end) in enumerate(pairwise(edges)):
        for back in range(first, end):
            sums[piece] += rho[-1 - back]
            sums[_PIECES + piece] += standing[-1 - back]
        sums[piece::_PIECES] *= 2.0 / (max(end - first, 1) * parameters.rho_jam_veh_m)
    return sums


def mirrors() -> npt.NDArray[np.int64]:
    """Orders of the features that describe the same crossing, shape (4, 63): the approaches of no axis, of the green
    one, of the red one, and of both are exchanged.
    """
    orders = []
    for green in ((0, 1), (1, 0)):
        for red in ((2, 3), (3, 2)):
            rows = [np.arange(place * _PER_APPROACH, (place + 1) * _PER_APPROACH) for place in (*green, *red)]
            orders.append(np.concatenate([*rows, np.arange(N_APPROACHES * _PER_APPROACH, N_FEATURES)]))
    return np.stack(orders)
