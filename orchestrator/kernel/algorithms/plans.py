"""Blocks that the hyper-parameters of several algorithms share, and checks of their values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

_INFINITE = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearPlan:
    """A value that changes linearly from `start` to `end`, then stays.

    Attributes:
        start: Value at step 0, 0 to 1.
        end: Value from `over_steps` on, 0 to 1.
        over_steps: Steps of the lineage, summed over environments.
    """

    start: float
    end: float
    over_steps: int

    def __post_init__(self) -> None:
        faults = [*not_positive(self, "over_steps")]
        for name in ("start", "end"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                faults.append(f"{name} must lie in [0, 1], not {getattr(self, name)}")
        refuse(faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalizePlan:
    """A running normalization, by stable-baselines3's `VecNormalize` with its defaults; at least one of the two.

    Attributes:
        observations: Scale each feature to mean 0 and standard deviation 1 over all observations so far.
        rewards: Scale rewards so that the discounted return has standard deviation 1.
    """

    observations: bool
    rewards: bool

    def __post_init__(self) -> None:
        if not (self.observations or self.rewards):
            refuse(["normalize needs observations or rewards to be true; else leave it out"])


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisePlan:
    """Noise that is added to continuous actions in training, in units of an action from -1 to 1.

    Attributes:
        kind: `normal` for independent draws, `ornstein_uhlenbeck` for correlated noise.
        sigma: Standard deviation (`normal`) or scale (`ornstein_uhlenbeck`).
        theta: Rate of return to zero, per unit of `dt`; for `ornstein_uhlenbeck` only.
        dt: Time step of one decision; for `ornstein_uhlenbeck` only.
    """

    kind: Literal["normal", "ornstein_uhlenbeck"]
    sigma: float
    theta: float | None = None
    dt: float | None = None

    def __post_init__(self) -> None:
        faults = [*not_positive(self, "sigma")]
        for name in ("theta", "dt"):
            if (getattr(self, name) is None) is not (self.kind == "normal"):
                faults.append(f"{name} is required for ornstein_uhlenbeck, and not allowed for normal")
        refuse(faults)


def refuse(faults: list[str]) -> None:
    """Refuse a block that has faults.

    Raises:
        ValueError: All of them, one per line.
    """
    if faults:
        raise ValueError("\n".join(faults))


def not_positive(block: Any, *names: str) -> Iterator[str]:
    """Faults of the fields that are not above 0 and finite."""
    for name in names:
        value = getattr(block, name)
        if not 0 < value < _INFINITE:
            yield f"{name} must be above 0{' and finite' if value > 0 else ''}, not {value}"


def negative(block: Any, *names: str) -> Iterator[str]:
    """Faults of the fields that are below 0 or not finite."""
    for name in names:
        value = getattr(block, name)
        if not 0 <= value < _INFINITE:
            yield f"{name} must not be negative{' and must be finite' if value > 0 else ''}, not {value}"


def no_share(block: Any, *names: str) -> Iterator[str]:
    """Faults of the fields that lie outside (0, 1]."""
    for name in names:
        if not 0.0 < getattr(block, name) <= 1.0:
            yield f"{name} must lie in (0, 1], not {getattr(block, name)}"


def is_positive(text: str) -> bool:
    """Whether a text is a finite number above 0."""
    try:
        return 0.0 < float(text) < _INFINITE
    except ValueError:
        return False
