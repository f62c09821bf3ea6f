"""Who arrives when: random demand, addressed by split and index and by nothing else."""

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
    """What a scenario may be used for. The numbers are the first word of a scenario's random key."""

    TUNING = 1
    TRAINING = 2
    TEST = 3


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ScenarioAddress:
    """Where a scenario stands: equal addresses are bitwise equal scenarios, whatever batch they are in.

    Its generator is seeded by `SeedSequence(constant, spawn_key=(split, stream, index))`. Keys of different
    splits differ in their first word, so no training scenario can be a tuning or a test scenario; and since
    demand depends on the address alone, every controller meets the same arrivals (common random numbers).

    Attributes:
        split: What it may be used for.
        index: Which one, from 0.
        stream: An independent series within the split: trainings use their seed; tuning and test stay at 0.

    Raises:
        ValueError: A number does not fit a word of the key: longer ones could collide.
    """

    split: Split
    index: int
    stream: int = 0

    def __post_init__(self) -> None:
        for name, value in (("index", self.index), ("stream", self.stream)):
            if not 0 <= value < _WORD:
                raise ValueError(f"scenario {name} is {value}, and must be within 0..{_WORD - 1}")

    def generator(self, purpose: int = 0, variant: int = 0) -> np.random.Generator:
        """A fresh generator of this scenario.

        Args:
            purpose: 0 draws the demand; others are free for controllers, and independent of it.
            variant: Tells several streams of one purpose apart.
        """
        key = (self.split.value, self.stream, self.index, purpose, variant)
        return np.random.default_rng(np.random.SeedSequence(_ENTROPY, spawn_key=key))


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandRanges:
    """Ranges from which a scenario's demand is drawn uniformly, per axis unless said otherwise.

    A base flow carries one peak for each axis, at times of their own: which axis needs the green moves during
    the hour, and no fixed plan is right all along.

    Attributes:
        base_veh_h: Flow per approach outside the peak.
        peak_veh_h: What the peak adds at its height.
        peak_centre: When it is highest, as a share of the episode.
        peak_half_width: Half its duration, as a share of the episode.
        direction_factor: By which an approach differs from its axis, per approach.
        w_share: Attribute of those who arrive, as a share of the free speed, per approach and 10 s: driver types.
    """

    base_veh_h: tuple[float, float] = ends("demand", "base_veh_h")
    peak_veh_h: tuple[float, float] = ends("demand", "peak_veh_h")
    peak_centre: tuple[float, float] = ends("demand", "peak_centre")
    peak_half_width: tuple[float, float] = ends("demand", "peak_half_width")
    direction_factor: tuple[float, float] = ends("demand", "direction_factor")
    w_share: tuple[float, float] = ends("demand", "w_share")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scenario:
    """One hour (or whatever an episode lasts) of demand at one crossing.

    Attributes:
        address: Where it stands.
        arrivals_veh: Vehicles per approach and 10 s, shape (4, bins).
        w_in_m_s: Attribute of those who arrive, shape (4, bins), m/s.
    """

    address: ScenarioAddress
    arrivals_veh: Floats
    w_in_m_s: Floats


def draw_scenario(
    address: ScenarioAddress, *, episode_s: float, vf_m_s: float, ranges: DemandRanges | None = None
) -> Scenario:
    """Draw the demand at an address.

    Args:
        address: Which scenario.
        episode_s: Its length in s; begun bins of 10 s count.
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


def draw_scenarios(addresses: Sequence[ScenarioAddress], *, episode_s: float, vf_m_s: float) -> tuple[Scenario, ...]:
    """Draw the demand at each address."""
    return tuple(draw_scenario(address, episode_s=episode_s, vf_m_s=vf_m_s) for address in addresses)


def _approach_rates(generator: np.random.Generator, ranges: DemandRanges, bins: int) -> Floats:
    """Expected flow per approach and bin in veh/h, shape (4, bins)."""
    axes = 2
    base = generator.uniform(*ranges.base_veh_h, size=(axes, 1))
    peak = generator.uniform(*ranges.peak_veh_h, size=(axes, 1))
    centre = generator.uniform(*ranges.peak_centre, size=(axes, 1))
    half_width = generator.uniform(*ranges.peak_half_width, size=(axes, 1))
    direction = generator.uniform(*ranges.direction_factor, size=(N_APPROACHES, 1))
    time = (np.arange(bins) + 0.5) / bins
    # A smooth bump with an end, made of products only: the same bits on every machine, unlike exp.
    bump = np.maximum(0.0, 1.0 - ((time - centre) / half_width) ** 2) ** 2
    by_axis = base + peak * bump
    return np.repeat(by_axis, N_APPROACHES // axes, axis=0) * direction
