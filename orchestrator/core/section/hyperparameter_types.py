"""Types that the hyper-parameters of several algorithms share, and checks of values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

STRICT: Mapping[str, Any] = {"extra": "forbid", "strict": True}
"""Pydantic settings: refuse unknown keys and values of another type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearSchedule:
    """A value that changes linearly from `start` to `end` over the first `over_steps` absolute steps."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = STRICT

    start: float
    end: float
    over_steps: int

    def __post_init__(self) -> None:
        if self.over_steps <= 0:
            raise ValueError(f"over_steps must be above 0, not {self.over_steps}")
        for name in ("start", "end"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must lie in [0, 1], not {getattr(self, name)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalizeSettings:
    """What a running normalization is applied to; at least one of the two."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = STRICT

    observations: bool
    rewards: bool

    def __post_init__(self) -> None:
        if not (self.observations or self.rewards):
            raise ValueError("normalize needs observations or rewards to be true; else leave it out")


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionNoiseSettings:
    """Noise added to continuous actions in training; `theta` and `dt` are for `ornstein_uhlenbeck` only."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = STRICT

    kind: Literal["normal", "ornstein_uhlenbeck"]
    sigma: float
    theta: float | None = None
    dt: float | None = None

    def __post_init__(self) -> None:
        require_positive(self, "sigma")
        for name in ("theta", "dt"):
            if (getattr(self, name) is None) is not (self.kind == "normal"):
                raise ValueError(f"{name} is required for ornstein_uhlenbeck, and not allowed for normal")


def require_positive(block: Any, *names: str) -> None:
    """Refuse a block in which one of these fields is not above zero.

    Raises:
        ValueError: Names all such fields, one per line.
    """
    faults = [f"{name} must be above 0, not {getattr(block, name)}" for name in names if not getattr(block, name) > 0]
    if faults:
        raise ValueError("\n".join(faults))


def require_share(block: Any, name: str) -> None:
    """Refuse a block in which this field lies outside (0, 1].

    Raises:
        ValueError: Names the field and its value.
    """
    if not 0.0 < getattr(block, name) <= 1.0:
        raise ValueError(f"{name} must lie in (0, 1], not {getattr(block, name)}")


def is_positive(text: str) -> bool:
    """Whether a text is a finite number above 0."""
    try:
        return 0.0 < float(text) < float("inf")
    except ValueError:
        return False
