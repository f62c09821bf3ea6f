"""Demand scenarios, addressable and disjoint by construction.

A scenario is a pure function of its address, whatever batch it is computed in. The split is the first number of
the address, and a spawn key of numpy's SeedSequence makes streams of different addresses independent: no tuning
or training scenario can be a test scenario. That the same address gives the same arrivals to every controller
is what makes paired comparisons (common random numbers) possible.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from validation_ch7.traffic.parameters import CrossingParameters

INTERVAL_S = 10.0
"""Arrivals and drivers' w are constant over this time."""

_ENTROPY = 760_031
_APPROACHES = 4


class Split(IntEnum):
    """What a scenario may be used for."""

    TUNING = 0
    TRAINING = 1
    TEST = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Arrivals of one episode.

    Attributes:
        arrivals_veh: (4, intervals) vehicles that arrive at north, south, east, west in each interval.
        w_m_s: (4, intervals) w of those that enter, m/s: a spread of driver types.
    """

    arrivals_veh: npt.NDArray[np.float64]
    w_m_s: npt.NDArray[np.float64]


def scenario(split: Split, address: tuple[int, ...], parameters: CrossingParameters) -> Scenario:
    """The scenario at an address.

    Each axis has a base demand of 120 to 350 veh/h per approach and a peak of 100 to 550 veh/h more, of random
    time and width; each approach takes 0.7 to 1.3 times that; arrivals are Poisson.

    Args:
        split: What it is for.
        address: Whole numbers not below 0, e.g. (index,) or (seed, environment, episode).
        parameters: The crossing's.
    """
    generator = np.random.default_rng(np.random.SeedSequence(_ENTROPY, spawn_key=(int(split), *address)))
    intervals = int(np.ceil(parameters.episode_s / INTERVAL_S))
    middle_s = (np.arange(intervals, dtype=np.float64) + 0.5) * INTERVAL_S
    axes = np.stack([_axis_veh_h(generator, middle_s, parameters.episode_s) for _ in range(2)])
    direction = generator.uniform(0.7, 1.3, size=(_APPROACHES, 1))
    mean_veh = axes[[0, 0, 1, 1]] * direction * (INTERVAL_S / 3600.0)
    vf = parameters.traffic.free_speed_m_s
    return Scenario(
        arrivals_veh=generator.poisson(mean_veh).astype(np.float64),
        w_m_s=generator.uniform(0.8, 1.0, size=(_APPROACHES, intervals)) * vf,
    )


def _axis_veh_h(
    generator: np.random.Generator, middle_s: npt.NDArray[np.float64], episode_s: float
) -> npt.NDArray[np.float64]:
    base, peak = generator.uniform(120.0, 350.0), generator.uniform(100.0, 550.0)
    centre_s, width_s = generator.uniform(0.2, 0.8) * episode_s, generator.uniform(0.08, 0.2) * episode_s
    shape: npt.NDArray[np.float64] = base + peak * np.exp(-0.5 * ((middle_s - centre_s) / width_s) ** 2)
    return shape
