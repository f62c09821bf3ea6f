"""The blocks of a section card that the science reads: declared here so that a slip is found before a session.

The kernel checks the same keys again; a test keeps the two in step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

_STRICT: Mapping[str, Any] = {"extra": "forbid", "strict": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearSchedule:
    """A value that goes from `start` to `end` over the first `over_steps` absolute steps, then stays."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _STRICT

    start: float
    end: float
    over_steps: int

    def __post_init__(self) -> None:
        if self.over_steps <= 0:
            raise ValueError(f"over_steps must be above 0, not {self.over_steps}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DqnSettings:
    """Hyper-parameters of deep Q-learning (Mnih et al., Nature 518, 2015), by stable-baselines3's names.

    Attributes:
        n_envs: Environments stepped together; steps are counted over all of them.
        selection_scenarios: Tuning scenarios on which the best model is chosen during training.
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _STRICT

    n_envs: int
    learning_rate: LinearSchedule
    exploration: LinearSchedule
    batch_size: int
    buffer_size: int
    learning_starts: int
    gamma: float
    train_freq: int
    gradient_steps: int
    target_update_interval: int
    selection_scenarios: int

    def __post_init__(self) -> None:
        for name in (
            "n_envs",
            "batch_size",
            "buffer_size",
            "train_freq",
            "gradient_steps",
            "selection_scenarios",
        ):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")
        if not 0.0 < self.gamma <= 1.0:
            raise ValueError(f"gamma must lie in (0, 1], not {self.gamma}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """One signalised crossing: lengths in m, times in s, speeds in m/s, densities in veh/m."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _STRICT

    decision_s: float
    min_green_s: float
    change_interval_s: float
    max_green_s: float
    episode_s: float
    dx_m: float
    dt_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """What the section claims, written down before it runs.

    Attributes:
        baseline: Controller that the policy must beat.
        min_delay_reduction_pct: Least reduction of the mean delay per vehicle, percent.
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _STRICT

    baseline: Literal["fixed_time"]
    min_delay_reduction_pct: float


def plain(block: Any) -> dict[str, Any]:
    """A block as plain JSON."""
    return asdict(block)
