"""The reward."""

from __future__ import annotations

import numpy as np

from validation_ch7.traffic.model.arz import Floats

_SCALE = 4.0


def reward_of(delay_veh_s: Floats, decision_s: float) -> Floats:
    """`-sqrt(delay rate) / 4`; the delay rate is the mean number of delayed vehicles in an interval.

    The root limits the weight of oversaturated scenarios.

    Args:
        delay_veh_s: Delay in the interval, any shape, vehicle-seconds.
        decision_s: Length of the interval in s.
    """
    rate: Floats = np.maximum(delay_veh_s, 0.0) / decision_s
    reward: Floats = np.sqrt(rate) / -_SCALE
    return reward
