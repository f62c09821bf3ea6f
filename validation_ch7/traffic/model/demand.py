"""Random demand of a scenario, determined by its address alone."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from validation_ch7.traffic.model.arz import Floats
from validation_ch7.traffic.numba_kernel.constants import N_APPROACHES
from validation_ch7.traffic.parameter_table import ends

ARRIVAL_BIN_S = 10.0
_ENTROPY = 20_260_401
_WORD = 2**32


class Split(enum.Enum):
    """Use of a scenario. The numbers are the first word of a scenario's random key."""

    TUNING = 1
    TRAINING = 2
    TEST = 3


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ScenarioAddress:
    """Address of a scenario: equal addresses give bitwise equal scenarios, in every batch.

    Its generator is seeded by `SeedSequence(constant, spawn_key=(split, stream, index))`. Keys of different
    splits differ in their first word, so no training scenario can be a tuning or a test scenario. Since demand depends
    on the address alone, every controller has the same arrivals (common random numbers).

    Attributes:
        split: Use of the scenario.
        index: Number of the scenario, from 0.
        stream: An independent series within the split: the seed in trainings, 0 for tuning and test.

    Raises:
        ValueError: A number does not fit a 32-bit word of the key; larger numbers could collide.
    """

    split: Split
    index: int
    stream: int = 0

    def __post_init__(self) -> None:
        for name, value in (("index", self.index), ("stream", self.stream)):
            if not 0 <= value < _WORD:
                raise ValueError(f"scenario {name} must be within 0..{_WORD - 1}, not {value}")

    def generator(self, purpose: int = 0, variant: int = 0) -> np.random.Generator:
        """A new generator for this scenario.

        Args:
            purpose: 0 for the demand; other numbers are for controllers, and independent of it.
            variant: Number of the stream within a purpose.
        """
        key = (self.split.value, self.stream, self.index, purpose, variant)
        return np.random.default_rng(np.random.SeedSequence(_ENTROPY, spawn_key=key))


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandRanges:
    """Ranges of a scenario's demand, drawn uniformly; per axis unless stated otherwise.

    Each axis has a base flow and one peak, at different times. So the axis that needs the green changes during the
    hour, and no fixed plan is optimal throughout.

    Attributes:
        base_veh_h: Flow per approach outside the peak.
        peak_veh_h: Additional flow at the maximum of the peak.
        peak_centre: Time of the maximum, as a share of the episode.
        peak_half_width: Half the duration of the peak, as a share of the episode.
        direction_factor: Factor between the flows of an approach and of its axis, per approach.
        w_share: Attribute of arriving drivers, as a share of the free speed, per approach and 10 s.
    """

    base_veh_h: tuple[float, float] = ends("demand", "base_veh_h")
    peak_veh_h: tuple[float, float] = ends("demand", "peak_veh_h")
    peak_centre: tuple[float, float] = ends("demand", "peak_centre")
    peak_half_width: tuple[float, float] = ends("demand", "peak_half_width")
    direction_factor: tuple[float, float] = ends("demand", "direction_factor")
    w_share: tuple[float, float] = ends("demand", "w_share")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scenario:
    """Demand of one episode at one crossing, and what limits its flow.

    Attributes:
        address: Address of the scenario.
        arrivals_veh: Vehicles per approach and 10 s, shape (4, bins).
        w_in_m_s: Attribute of arriving drivers, shape (4, bins), m/s.
        stop_line_limit_veh_s: Largest flow through each stop line, infinite where there is no limit, shape (4, bins),
            veh/s; None for no limits.
    """

    address: ScenarioAddress
    arrivals_veh: Floats
    w_in_m_s: Floats
    stop_line_limit_veh_s: Floats | None = None


def draw_scenario(
    address: ScenarioAddress, *, episode_s: float, vf_m_s: float, ranges: DemandRanges | None = None
) -> Scenario:
    """Draw the demand at an address.

    Args:
        address: Address of the scenario.
        episode_s: Its length in s; rounded up to bins of 10 s.
        vf_m_s: Free speed in m/s.
        ranges: Ranges of the random demand.
    """
    ranges = ranges or DemandRanges()
    generator = address.generator()
    bins = int(np.ceil(episode_s / ARRIVAL_BIN_S))
    rate_veh_h = _approach_rates(generator, ranges, bins)
    arrivals = generator.poisson(rate_veh_h * (ARRIVAL_BIN_S / 3600.0)).astype(np.float64)
    w_in = vf_m_s * generator.uniform(*ranges.w_share, size=(N_APPROACHES, bins))
    return Scenario(address=address, arrivals_veh=arrivals, w_in_m_s=w_in)


def draw_scenarios(
    addresses: Sequence[ScenarioAddress], *, episode_s: float, vf_m_s: float, ranges: DemandRanges | None = None
) -> tuple[Scenario, ...]:
    """Draw the demand at each address."""
    return tuple(draw_scenario(address, episode_s=episode_s, vf_m_s=vf_m_s, ranges=ranges) for address in addresses)


def _approach_rates(generator: np.random.Generator, ranges: DemandRanges, bins: int) -> Floats:
    """Expected flow per approach and bin in veh/h, shape (4, bins)."""
    axes = 2
    base = generator.uniform(*ranges.base_veh_h, size=(axes, 1))
    peak = generator.uniform(*ranges.peak_veh_h, size=(axes, 1))
    centre = generator.uniform(*ranges.peak_centre, size=(axes, 1))
    half_width = generator.uniform(*ranges.peak_half_width, size=(axes, 1))
    direction = generator.uniform(*ranges.direction_factor, size=(N_APPROACHES, 1))
    time = (np.arange(bins) + 0.5) / bins
    # A smooth peak of finite width; products are bitwise equal on every machine, `exp` is not.
    bump = np.maximum(0.0, 1.0 - ((time - centre) / half_width) ** 2) ** 2
    by_axis = base + peak * bump
    return np.repeat(by_axis, N_APPROACHES // axes, axis=0) * direction
