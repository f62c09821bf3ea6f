"""What a policy sees of a crossing: fifteen numbers, all of them measurable by detectors."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from validation_ch7.traffic import arz
from validation_ch7.traffic.arz import Floats
from validation_ch7.traffic.intersection import N_APPROACHES
from validation_ch7.traffic.signal import N_PHASES
from validation_ch7.traffic.simulation import CrossingSimulation

N_FEATURES = 3 * N_APPROACHES + N_PHASES + 1
_NEAR_M = 100.0
_QUEUE_SCALE_VEH = 20.0
_NEAR_SCALE_VEH = 15.0
_FAR_SCALE_VEH = 30.0
_GREEN_SCALE_S = 60.0


def observe(simulation: CrossingSimulation) -> npt.NDArray[np.float32]:
    """Features of each scenario, shape (batch, 15).

    Per approach (N, S, E, W) `log1p` of the standing-equivalent vehicles, entry queue included, over 20
    (columns 0-3), of the vehicles in the last 100 m over 15 (4-7) and of those further up over 30 (8-11);
    the phase one-hot (12-13; the coming one during a change); the green so far over 60 s (14).
    """
    queued, near, far = _approach_counts(simulation)
    counts = np.concatenate((queued / _QUEUE_SCALE_VEH, near / _NEAR_SCALE_VEH, far / _FAR_SCALE_VEH))
    features = np.empty((N_FEATURES, simulation.batch))
    features[: 3 * N_APPROACHES] = np.log1p(counts).reshape(3 * N_APPROACHES, simulation.batch)
    for phase in range(N_PHASES):
        features[3 * N_APPROACHES + phase] = simulation.signal.phase == phase
    dt_s = simulation.settings.traffic.dt_s
    features[-1] = simulation.signal.green_steps * (dt_s / _GREEN_SCALE_S)
    return np.ascontiguousarray(features.T.astype(np.float32))


def _approach_counts(simulation: CrossingSimulation) -> tuple[Floats, Floats, Floats]:
    """Standing-equivalent, near and far vehicles of each approach lane, each of shape (4 * batch,)."""
    traffic = simulation.traffic
    parameters = traffic.parameters
    lanes = slice(0, N_APPROACHES * traffic.batch)
    rho, w = traffic.rho[lanes], traffic.w[lanes]
    standing = rho * (1.0 - arz.speed(rho, w, parameters) / parameters.vf_m_s)
    queued = standing.sum(axis=1) * parameters.dx_m + traffic.queue_veh
    first_near = max(0, parameters.n_cells - round(_NEAR_M / parameters.dx_m))
    near = rho[:, first_near:].sum(axis=1) * parameters.dx_m
    far = rho[:, :first_near].sum(axis=1) * parameters.dx_m
    return queued, near, far
