"""The environment block of a section's card: every key is used or refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from validation_ch7.traffic.demand import ARRIVAL_BIN_S
from validation_ch7.traffic.parameters import (
    TrafficParameters,
    refuse_unknown_keys,
    require_positive,
    whole_multiple,
)
from validation_ch7.traffic.signal import TwoPhaseSignal

_TRAFFIC_KEYS = {known.name for known in fields(TrafficParameters)}


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentSettings:
    """The crossing as a card describes it. All controllers meet the same signal hardware.

    Attributes:
        decision_s: Time between two decisions of a learned policy, in s.
        min_green_s: Requests before that much green are ignored, in s.
        change_interval_s: Yellow and all-red, every stop line closed, in s.
        max_green_s: After that much green the phase changes by itself, in s.
        episode_s: Length of a scenario, in s; a multiple of `decision_s`.
        traffic: The model.

    Raises:
        ValueError: A value does not fit; it names the field.
    """

    decision_s: float = 10.0
    min_green_s: float = 6.0
    change_interval_s: float = 4.0
    max_green_s: float = 120.0
    episode_s: float = 3600.0
    traffic: TrafficParameters = field(default_factory=TrafficParameters)

    def __post_init__(self) -> None:
        for name in _TIME_KEYS:
            self.steps(name)
        whole_multiple("episode_s", self.episode_s, "decision_s", self.decision_s)
        if self.min_green_s > self.max_green_s:
            raise ValueError(f"min_green_s is {self.min_green_s}, above max_green_s = {self.max_green_s}")
        whole_multiple("the arrival bin", ARRIVAL_BIN_S, "dt_s", self.traffic.dt_s)

    @classmethod
    def from_mapping(cls, block: Mapping[str, object]) -> EnvironmentSettings:
        """Build from a card's block; keys that are absent keep their defaults.

        Raises:
            ValueError: A key is unknown, or a value does not fit.
        """
        refuse_unknown_keys(block, set(_TIME_KEYS) | _TRAFFIC_KEYS)
        traffic = {name: value for name, value in block.items() if name in _TRAFFIC_KEYS}
        times = {name: require_positive(name, value) for name, value in block.items() if name in _TIME_KEYS}
        return cls(traffic=TrafficParameters.from_mapping(traffic), **times)

    def describe(self) -> dict[str, float]:
        """All values by the card's keys, as plain numbers."""
        return {name: float(getattr(self, name)) for name in _TIME_KEYS} | self.traffic.describe()

    def steps(self, name: str) -> int:
        """One of the times, by its key, in solver steps.

        Raises:
            ValueError: It is not a whole number of steps.
        """
        return whole_multiple(name, require_positive(name, getattr(self, name)), "dt_s", self.traffic.dt_s)

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

    def new_signal(self, batch: int) -> TwoPhaseSignal:
        """Build the signals of a batch of crossings."""
        return TwoPhaseSignal(
            batch=batch,
            min_green_steps=self.steps("min_green_s"),
            change_interval_steps=self.steps("change_interval_s"),
            max_green_steps=self.steps("max_green_s"),
        )


_TIME_KEYS = tuple(known.name for known in fields(EnvironmentSettings) if known.name.endswith("_s"))
