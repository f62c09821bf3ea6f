"""The block `environment` of a card as the traffic model uses it; unknown keys are refused by name.

The section's `schema.py` declares the keys of a card. Here they are the names in `parameters.yaml`, which also holds
their units, meanings, defaults and sources.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, make_dataclass
from typing import TYPE_CHECKING, Any

from validation_ch7.traffic.env.learning import LearningSettings
from validation_ch7.traffic.model.demand import ARRIVAL_BIN_S
from validation_ch7.traffic.parameter_table import number, parameter_table
from validation_ch7.traffic.parameters import (
    TrafficParameters,
    refuse_unknown_keys,
    require_not_negative,
    require_positive,
    whole_multiple,
)
from validation_ch7.traffic.signal.timing import SignalTimes
from validation_ch7.traffic.signal.two_phase import TwoPhaseSignal

_LEARNING = "learning"
_TIME_KEYS = tuple(parameter_table()["signal"])
_TRAFFIC_KEYS = {known.name for known in fields(TrafficParameters)}
_SIGNAL_KEYS = {known.name: known.name.removesuffix("_steps") + "_s" for known in fields(SignalTimes)}
"""Field of `SignalTimes` -> key of the same time in s."""

_MAY_BE_ZERO = frozenset(_SIGNAL_KEYS[known.name] for known in fields(SignalTimes) if known.default == 0)

_Times: Any = make_dataclass(
    "_Times", [(name, float, field(default=number("signal", name))) for name in _TIME_KEYS], frozen=True, kw_only=True
)


@dataclass(frozen=True, kw_only=True)
class EnvironmentSettings(_Times):  # type: ignore[misc]  # its fields are the keys of the table
    """The crossing of a card. All controllers have the same signal hardware.

    Each time of the group `signal` in `parameters.yaml` is an attribute, in s: `settings.decision_s`.

    Attributes:
        traffic: The model.
        learning: What only a policy and its training use.

    Raises:
        ValueError: A value is invalid; the message names the field.
    """

    traffic: TrafficParameters = field(default_factory=TrafficParameters)
    learning: LearningSettings = field(default_factory=LearningSettings)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> float: ...

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
        refuse_unknown_keys(block, set(_TIME_KEYS) | _TRAFFIC_KEYS | {_LEARNING})
        traffic = {name: value for name, value in block.items() if name in _TRAFFIC_KEYS}
        times = {name: _checked(name, value) for name, value in block.items() if name in _TIME_KEYS}
        learning = LearningSettings.from_mapping(block[_LEARNING]) if _LEARNING in block else LearningSettings()
        return cls(traffic=TrafficParameters.from_mapping(traffic), learning=learning, **times)

    def describe(self) -> dict[str, float]:
        """All values of the crossing by the card's keys, as plain numbers."""
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
        return SignalTimes(**{name: self.steps(key) for name, key in _SIGNAL_KEYS.items()})

    def new_signal(self, batch: int) -> TwoPhaseSignal:
        """Build the signals of a batch of crossings."""
        return TwoPhaseSignal(batch=batch, times=self.signal_times())


def _checked(name: str, value: object) -> float:
    return require_not_negative(name, value) if name in _MAY_BE_ZERO else require_positive(name, value)
