"""The observation of a crossing: fifteen numbers, all of them measurable by detectors."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.numba_kernel.constants import N_APPROACHES
from validation_ch7.traffic.signal.two_phase import N_PHASES

N_FEATURES = 3 * N_APPROACHES + N_PHASES + 1
_NEAR_M = 100.0
_SCALES_VEH = np.array((20.0, 15.0, 30.0)).reshape(3, 1, 1)  # standing, near, far
_GREEN_SCALE_S = 60.0


def observe(simulation: CrossingSimulation) -> npt.NDArray[np.float32]:
    """Features of each scenario, shape (batch, 15).

    Per approach (N, S, E, W) `log1p` of the standing-equivalent vehicles, entry queue included, over 20
    (columns 0-3), of the vehicles in the last 100 m over 15 (4-7) and of those further away over 30 (8-11);
    the phase one-hot (12-13; the next one during a change); the green so far over 60 s (14).
    """
    counts = simulation.traffic.count_vehicles(_NEAR_M)
    counts /= _SCALES_VEH
    features = np.empty((N_FEATURES, simulation.batch))
    features[: 3 * N_APPROACHES] = np.log1p(counts).reshape(3 * N_APPROACHES, simulation.batch)
    for phase in range(N_PHASES):
        features[3 * N_APPROACHES + phase] = simulation.signal.phase == phase
    dt_s = simulation.settings.traffic.dt_s
    features[-1] = simulation.signal.green_steps * (dt_s / _GREEN_SCALE_S)
    return np.ascontiguousarray(features.T.astype(np.float32))
