"""The block `environment.learning` of a card: what only a learned policy and its training use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from validation_ch7.traffic.model.demand import DemandRanges
from validation_ch7.traffic.parameters import refuse_unknown_keys

OBSERVATIONS = ("detectors", "profile")


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningSettings:
    """How a policy learns at a crossing; a card without the block has the defaults.

    Attributes:
        observation: What the policy sees: one of `OBSERVATIONS`, see `senses`.
        demand: Ranges of the training demand. Tuning and test scenarios always have the default ones.
        look_ahead: What the section's look ahead predicts, which then gives the reward; None for `reward_of`.

    Raises:
        ValueError: A value is invalid; the message names the key.
    """

    observation: str = "detectors"
    demand: DemandRanges = field(default_factory=DemandRanges)
    look_ahead: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.observation not in OBSERVATIONS:
            raise ValueError(f"observation must be one of {', '.join(OBSERVATIONS)}, not {self.observation!r}")

    @classmethod
    def from_mapping(cls, block: object) -> LearningSettings:
        """Build from a card's block; missing keys keep their defaults.

        Raises:
            ValueError: It is no mapping, a key is unknown, or a value is invalid.
        """
        given = _mapping("learning", block, {known.name for known in fields(cls)})
        if "demand" in given:
            ranges = _mapping("demand", given["demand"], {known.name for known in fields(DemandRanges)})
            given["demand"] = DemandRanges(**{name: tuple(ends) for name, ends in ranges.items()})
        return cls(**given)


def _mapping(name: str, block: object, known: set[str]) -> dict[str, Any]:
    if not isinstance(block, Mapping):
        raise ValueError(f"{name} must be a mapping, not {block!r}")
    refuse_unknown_keys(block, known)
    return dict(block)
