"""Detectors with noise, and detectors that fail. Every controller reads the same faulty detectors.

Noise: each lane's counts are multiplied by a random factor with mean 1, a new one every second (miscounts of a camera
or a loop; compare Chen, Fang & Sadeh, The Real Deal, ATT 2022, arXiv 2206.11996). The factor is lognormal, so that no
count is negative and the mean stays exact at every severity.

Failure: the detector of each approach fails once, for a share of the hour, at a time drawn for each approach alone. A
dead detector counts nothing: the approach looks empty. A stuck one repeats its last reading.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from validation_ch7.section_7_7_robustness.conditions.family import Family, Faults, random_numbers
from validation_ch7.traffic.crossing.sensing import Flags
from validation_ch7.traffic.env.sensed import DetectorFaults
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.model.arz import Floats
from validation_ch7.traffic.model.demand import ScenarioAddress
from validation_ch7.traffic.numba_kernel.constants import N_APPROACHES, N_LINKS

NOISE, DEAD, STUCK = "detector_noise", "detector_dead", "detector_stuck"


def noisy(severity: float) -> Faults:
    """Factors with this standard deviation."""
    spread = np.sqrt(np.log1p(severity**2))

    def faults(addresses: Sequence[ScenarioAddress], settings: EnvironmentSettings) -> DetectorFaults:
        size = (N_LINKS, _seconds(settings))
        drawn = np.stack([random_numbers(address, NOISE).standard_normal(size) for address in addresses], axis=1)
        factor = _by_lane(np.exp(spread * drawn - 0.5 * spread**2))
        return DetectorFaults(factor=factor, stuck=np.zeros(factor.shape, bool))

    return faults


def dead(severity: float) -> Faults:
    """Detectors that count nothing for this share of the hour."""

    def faults(addresses: Sequence[ScenarioAddress], settings: EnvironmentSettings) -> DetectorFaults:
        failed = _failed(DEAD, severity, addresses, settings)
        return DetectorFaults(factor=np.where(failed, 0.0, 1.0), stuck=np.zeros(failed.shape, bool))

    return faults


def stuck(severity: float) -> Faults:
    """Detectors that repeat their last reading for this share of the hour."""

    def faults(addresses: Sequence[ScenarioAddress], settings: EnvironmentSettings) -> DetectorFaults:
        failed = _failed(STUCK, severity, addresses, settings)
        return DetectorFaults(factor=np.ones(failed.shape), stuck=failed)

    return faults


def _failed(family: str, severity: float, addresses: Sequence[ScenarioAddress], settings: EnvironmentSettings) -> Flags:
    """Where and when a detector has failed, shape (8 * batch, seconds); detectors of exits never fail."""
    seconds = _seconds(settings)
    start = np.stack([random_numbers(address, family).uniform(size=N_APPROACHES) for address in addresses], axis=1)
    length = severity * seconds
    begins = start[..., None] * (seconds - length)
    second = np.arange(seconds)
    failed = np.zeros((N_LINKS, len(addresses), seconds), bool)
    failed[:N_APPROACHES] = (second >= begins) & (second < begins + length)
    return failed.reshape(-1, seconds)


def _by_lane(values: Floats) -> Floats:
    """From (links, batch, seconds) to (8 * batch, seconds)."""
    return values.reshape(-1, values.shape[-1])


def _seconds(settings: EnvironmentSettings) -> int:
    return int(np.ceil(settings.episode_s))


FAMILIES = (
    Family(name=NOISE, title="Detector noise", severity="standard deviation of a count (share of it)", faults=noisy),
    Family(name=DEAD, title="Dead detectors", severity="time that each approach looks empty (share)", faults=dead),
    Family(
        name=STUCK, title="Stuck detectors", severity="time that each approach's reading is old (share)", faults=stuck
    ),
)
