"""Blocks that the hyper-parameters of several algorithms share, and the limits of their values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

_INFINITE = float("inf")


JSON_SCHEMA = "json_schema"
"""Key in the `metadata` of a field: keywords that its JSON Schema has beside those of its type."""


def limit(allowed: Callable[[Any], bool], words: str, **json_schema: Any) -> Mapping[str, Any]:
    """A limit of a value, as the `metadata` of its field; `words` complete a sentence that begins with the name."""
    return {"allowed": allowed, "words": words, JSON_SCHEMA: json_schema}


POSITIVE = limit(lambda value: 0 < value < _INFINITE, "must be above 0 and finite", exclusiveMinimum=0)
NOT_NEGATIVE = limit(lambda value: 0 <= value < _INFINITE, "must not be negative, and must be finite", minimum=0)
SHARE = limit(lambda value: 0.0 < value <= 1.0, "must lie in (0, 1]", exclusiveMinimum=0, maximum=1)
FROM_0_TO_1 = limit(lambda value: 0.0 <= value <= 1.0, "must lie in [0, 1]", minimum=0, maximum=1)
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
            # A value of another type, e.g. a schedule, has its own checks; None is a key that is left out.
            is_number = isinstance(value, int | float)
            if is_number and "allowed" in one.metadata and not one.metadata["allowed"](value):
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
    """A running normalization, by stable-baselines3's `VecNormalize`; of observations or rewards, or both.

    Attributes:
        observations: Scale each feature to mean 0 and standard deviation 1 over all observations so far; default true.
        rewards: Scale rewards so that the discounted return has standard deviation 1; default true.
        norm_obs: The library's name of `observations`.
        norm_reward: The library's name of `rewards`.
        clip_obs: Bound of a normalized observation.
        clip_reward: Bound of a normalized reward.
        gamma: Discount for the scale of rewards; default: the algorithm's.
        epsilon: Added to variances.
        norm_obs_keys: Keys of `Dict` observations that are normalized; default: all.
    """

    observations: bool | None = None
    rewards: bool | None = None
    norm_obs: bool | None = None
    norm_reward: bool | None = None
    clip_obs: float | None = field(default=None, metadata=POSITIVE)
    clip_reward: float | None = field(default=None, metadata=POSITIVE)
    gamma: float | None = field(default=None, metadata=FROM_0_TO_1)
    epsilon: float | None = field(default=None, metadata=POSITIVE)
    norm_obs_keys: tuple[str, ...] | None = None

    @property
    def of_observations(self) -> bool:
        """Whether observations are normalized."""
        return next((one for one in (self.observations, self.norm_obs) if one is not None), True)

    @property
    def of_rewards(self) -> bool:
        """Whether rewards are normalized."""
        return next((one for one in (self.rewards, self.norm_reward) if one is not None), True)

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of `VecNormalize` that are given."""
        names = ("clip_obs", "clip_reward", "gamma", "epsilon")
        found = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        keys = {} if self.norm_obs_keys is None else {"norm_obs_keys": list(self.norm_obs_keys)}
        return {"norm_obs": self.of_observations, "norm_reward": self.of_rewards, **found, **keys}

    def faults(self) -> Iterator[str]:
        """Values that are not allowed, one sentence each."""
        yield from Block.faults(self)
        for name, other in (("observations", "norm_obs"), ("rewards", "norm_reward")):
            if getattr(self, name) is not None and getattr(self, other) is not None:
                yield f"{name} and {other} mean the same; give one of them"
        if not (self.of_observations or self.of_rewards):
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


Rate = float | str | LinearPlan
"""A constant; `lin_` and the value at step 0, which falls to 0 at the target; or a plan of its own."""

_LINEAR = re.compile(r"lin_(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)")


def linear_start(rate: Rate | None) -> float | None:
    """Value at step 0 of `lin_...`, None for a constant or a plan."""
    found = _LINEAR.fullmatch(rate) if isinstance(rate, str) else None
    return float(found[1]) if found else None


def rate_faults(name: str, rate: Rate | None) -> Iterator[str]:
    """Why a text is no schedule, one sentence."""
    if not isinstance(rate, str):
        return
    start = linear_start(rate)
    if start is None or not 0.0 < start < float("inf"):
        forms = "a number, lin_ and a number above 0 (lin_3e-4), or {start, end, over_steps}"
        yield f"{name} must be {forms}, not {rate}"
