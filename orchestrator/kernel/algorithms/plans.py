"""Blocks that the hyper-parameters of several algorithms share, and the limits of their values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

_INFINITE = float("inf")


JSON_SCHEMA = "json_schema"
"""Key in the `metadata` of a field: keywords that its JSON Schema has beside those of its type."""


def _limit(allowed: Callable[[Any], bool], words: str, **json_schema: float) -> Mapping[str, Any]:
    return {"allowed": allowed, "words": words, JSON_SCHEMA: json_schema}


POSITIVE = _limit(lambda value: 0 < value < _INFINITE, "must be above 0 and finite", exclusiveMinimum=0)
NOT_NEGATIVE = _limit(lambda value: 0 <= value < _INFINITE, "must not be negative, and must be finite", minimum=0)
SHARE = _limit(lambda value: 0.0 < value <= 1.0, "must lie in (0, 1]", exclusiveMinimum=0, maximum=1)
FROM_0_TO_1 = _limit(lambda value: 0.0 <= value <= 1.0, "must lie in [0, 1]", minimum=0, maximum=1)
"""Limits of a value, as the `metadata` of its field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block of a card whose values have limits.

    Raises:
        ValueError: Values are not allowed; the message has one line for each of them.
    """

    def __post_init__(self) -> None:
        faults = list(self.faults())
        if faults:
            raise ValueError("\n".join(faults))

    def faults(self) -> Iterator[str]:
        """Values that are not allowed, one sentence each."""
        for one in fields(self):
            value = getattr(self, one.name)
            if "allowed" in one.metadata and not one.metadata["allowed"](value):
                yield f"{one.name} {one.metadata['words']}, not {value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearPlan(Block):
    """A value that changes linearly from `start` to `end`, then stays.

    Attributes:
        start: Value at step 0, 0 to 1.
        end: Value from `over_steps` on, 0 to 1.
        over_steps: Steps of the lineage, summed over environments.
    """

    start: float = field(metadata=FROM_0_TO_1)
    end: float = field(metadata=FROM_0_TO_1)
    over_steps: int = field(metadata=POSITIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalizePlan(Block):
    """A running normalization, by stable-baselines3's `VecNormalize` with its defaults; at least one of the two.

    Attributes:
        observations: Scale each feature to mean 0 and standard deviation 1 over all observations so far.
        rewards: Scale rewards so that the discounted return has standard deviation 1.
    """

    observations: bool
    rewards: bool

    def faults(self) -> Iterator[str]:
        """Values that are not allowed, one sentence each."""
        if not (self.observations or self.rewards):
            yield "normalize needs observations or rewards to be true; else leave it out"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisePlan(Block):
    """Noise that is added to continuous actions in training, in units of an action from -1 to 1.

    Attributes:
        kind: `normal` for independent draws, `ornstein_uhlenbeck` for correlated noise.
        sigma: Standard deviation (`normal`) or scale (`ornstein_uhlenbeck`).
        theta: Rate of return to zero, per unit of `dt`; for `ornstein_uhlenbeck` only.
        dt: Time step of one decision; for `ornstein_uhlenbeck` only.
    """

    kind: Literal["normal", "ornstein_uhlenbeck"]
    sigma: float = field(metadata=POSITIVE)
    theta: float | None = None
    dt: float | None = None

    def faults(self) -> Iterator[str]:
        """Values that are not allowed, one sentence each."""
        yield from Block.faults(self)
        for name in ("theta", "dt"):
            if (getattr(self, name) is None) is not (self.kind == "normal"):
                yield f"{name} is required for ornstein_uhlenbeck, and not allowed for normal"
