"""What a policy sees of a crossing, and what it is rewarded for."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from validation_ch7.traffic.crossing import Crossing

SIZE = 15
_NEAR_M = 100.0
_GREEN_SCALE_S = 60.0


def observe(crossing: Crossing) -> npt.NDArray[np.float32]:
    """(n, 15) features, all without unit and of order one.

    For each approach: log(1 + queue / 20), vehicles within 100 m of the stop line / 15, vehicles on the rest / 30;
    then the phase as two numbers of which one is 1, and the green so far / 60 s. The queue holds the entry queue
    and the vehicles on the approach weighted by the share of free speed that they lack. The logarithm keeps an
    oversaturated episode on the same scale as the others.
    """
    density = crossing.approach_density()
    dx_m = crossing.parameters.dx_m
    near = min(density.shape[-1], round(_NEAR_M / dx_m))
    queue = crossing.approach_queue_veh() + crossing.entry_queue_veh
    vehicles_near = density[..., -near:].sum(axis=-1) * dx_m
    vehicles_far = density[..., :-near].sum(axis=-1) * dx_m
    phase = crossing.signal.phase
    tail = np.stack([phase == 0, phase == 1, crossing.signal.green_s / _GREEN_SCALE_S], axis=1)
    features = [np.log1p(queue / 20.0), vehicles_near / 15.0, vehicles_far / 30.0, tail]
    return np.concatenate(features, axis=1).astype(np.float32)


def reward(delay_veh_s: npt.NDArray[np.float64], interval_s: float) -> npt.NDArray[np.float32]:
    """-sqrt(mean delayed vehicles over the interval) / 4: bounded growth, so that no single jam drowns the rest.

    Args:
        delay_veh_s: (n,) delay that arose in the interval.
        interval_s: Its length.
    """
    return (-np.sqrt(np.maximum(delay_veh_s, 0.0) / interval_s) / 4.0).astype(np.float32)
