"""The environment block of a section's card; unknown keys are refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from validation_ch7.traffic.model.demand import ARRIVAL_BIN_S
from validation_ch7.traffic.parameter_table import number
from validation_ch7.traffic.parameters import (
    TrafficParameters,
    refuse_unknown_keys,
    require_not_negative,
    require_positive,
    whole_multiple,
)
from validation_ch7.traffic.signal.timing import SignalTimes
from validation_ch7.traffic.signal.two_phase import TwoPhaseSignal

_TRAFFIC_KEYS = {known.name for known in fields(TrafficParameters)}


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentSettings:
    """The crossing of a card. All controllers have the same signal hardware.

    Attributes:
        decision_s: Time between two decisions of a learned policy, in s.
        min_green_s: Least green; earlier requests for a change are ignored, in s.
        yellow_s: Yellow after each green, in s.
        all_red_s: Red for all approaches after each yellow, in s; may be 0.
        yellow_used_s: Part of the yellow in which vehicles still pass, in s; may be 0.
        start_up_lost_s: Part of the green before vehicles pass, in s; may be 0.
        max_green_s: Longest green; then the phase changes automatically, in s.
        episode_s: Length of a scenario, in s; a multiple of `decision_s`.
        traffic: The model.

    Raises:
        ValueError: A value is invalid; the message names the field.
    """

    decision_s: float = number("signal", "decision_s")
    min_green_s: float = number("signal", "min_green_s")
    yellow_s: float = number("signal", "yellow_s")
    all_red_s: float = number("signal", "all_red_s")
    yellow_used_s: float = number("signal", "yellow_used_s")
    start_up_lost_s: float = number("signal", "start_up_lost_s")
    max_green_s: float = number("signal", "max_green_s")
    episode_s: float = number("signal", "episode_s")
    traffic: TrafficParameters = field(default_factory=TrafficParameters)

    def __post_init__(self) -> None:
        for name in _TIME_KEYS:
            self.steps(name)
        whole_multiple("episode_s", self.episode_s, "decision_s", self.decision_s)
        self.signal_times()
        whole_multiple("the arrival bin", ARRIVAL_BIN_S, "dt_s", self.traffic.dt_s)

    @classmethod
    def from_mapping(cls, block: Mapping[str, object]) -> EnvironmentSettings:
        """Build from a card's block; missing keys keep their defaults.

        Raises:
            ValueError: A key is unknown, or a value is invalid.
        """
        refuse_unknown_keys(block, set(_TIME_KEYS) | _TRAFFIC_KEYS)
        traffic = {name: value for name, value in block.items() if name in _TRAFFIC_KEYS}
        times = {name: _checked(name, value) for name, value in block.items() if name in _TIME_KEYS}
        return cls(traffic=TrafficParameters.from_mapping(traffic), **times)

    def describe(self) -> dict[str, float]:
        """All values by the card's keys, as plain numbers."""
        return {name: float(getattr(self, name)) for name in _TIME_KEYS} | self.traffic.describe()

    def steps(self, name: str) -> int:
        """The time with this key, in solver steps.

        Raises:
            ValueError: It is not a whole number of steps.
        """
        value = _checked(name, getattr(self, name))
        return whole_multiple(name, value, "dt_s", self.traffic.dt_s) if value else 0

    def steps_in(self, duration_s: float) -> int:
        """A duration in solver steps.

        Raises:
            ValueError: It is not a whole number of steps.
        """
        return whole_multiple("duration", duration_s, "dt_s", self.traffic.dt_s)

    @property
    def decisions_per_episode(self) -> int:
        """Decisions of a learned policy in one episode."""
        return whole_multiple("episode_s", self.episode_s, "decision_s", self.decision_s)

    @property
    def lost_s(self) -> float:
        """Time of each change in which no vehicle passes, in s."""
        return self.signal_times().lost_steps * self.traffic.dt_s

    def signal_times(self) -> SignalTimes:
        """The signal's times in solver steps.

        Raises:
            ValueError: The times do not fit together.
        """
        names = ("min_green", "max_green", "yellow", "all_red", "yellow_used", "start_up_lost")
        return SignalTimes(**{f"{name}_steps": self.steps(f"{name}_s") for name in names})

    def new_signal(self, batch: int) -> TwoPhaseSignal:
        """Build the signals of a batch of crossings."""
        return TwoPhaseSignal(batch=batch, times=self.signal_times())


def _checked(name: str, value: object) -> float:
    return require_not_negative(name, value) if name in _MAY_BE_ZERO else require_positive(name, value)


_MAY_BE_ZERO = frozenset({"all_red_s", "yellow_used_s", "start_up_lost_s"})
_TIME_KEYS = tuple(known.name for known in fields(EnvironmentSettings) if known.name.endswith("_s"))
