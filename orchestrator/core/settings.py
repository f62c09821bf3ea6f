"""The blocks of a section card that the science reads: declared here so that a slip is found before a session.

The kernel checks the same keys again; a test keeps the two in step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

_STRICT: Mapping[str, Any] = {"extra": "forbid", "strict": True}

FREE_SPEED_M_S, LINK_LENGTH_M, ARRIVAL_BIN_S = 13.89, 300.0, 10.0
"""Constants of the science's model that a card's values must fit; a test holds them to those over there."""


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
        for name in ("start", "end"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must lie in [0, 1], not {getattr(self, name)}")


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
        _require_positive(
            self, "n_envs", "batch_size", "buffer_size", "train_freq", "gradient_steps", "selection_scenarios"
        )
        _require_share(self, "gamma")

    @property
    def rollout_steps(self) -> int:
        """Steps between two safe boundaries: by less than that a training may overshoot its target."""
        return self.n_envs * self.train_freq


@dataclass(frozen=True, slots=True, kw_only=True)
class QrDqnSettings(DqnSettings):
    """Hyper-parameters of quantile regression Q-learning (Dabney et al., AAAI 2018), by sb3-contrib's names."""

    n_quantiles: int

    def __post_init__(self) -> None:
        DqnSettings.__post_init__(self)
        _require_positive(self, "n_quantiles")


@dataclass(frozen=True, slots=True, kw_only=True)
class PpoSettings:
    """Hyper-parameters of proximal policy optimization (Schulman et al., 2017), by stable-baselines3's names.

    Attributes:
        n_envs: Environments stepped together; steps are counted over all of them.
        selection_scenarios: Tuning scenarios on which the best model is chosen during training.
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _STRICT

    n_envs: int
    learning_rate: LinearSchedule
    batch_size: int
    n_steps: int
    n_epochs: int
    gamma: float
    gae_lambda: float
    clip_range: float
    ent_coef: float
    selection_scenarios: int

    def __post_init__(self) -> None:
        _require_positive(self, "n_envs", "batch_size", "n_steps", "n_epochs", "clip_range", "selection_scenarios")
        for name in ("gamma", "gae_lambda"):
            _require_share(self, name)
        if self.ent_coef < 0.0:
            raise ValueError(f"ent_coef must not be negative, not {self.ent_coef}")
        if self.rollout_steps % self.batch_size:
            raise ValueError(f"batch_size must divide n_envs * n_steps = {self.rollout_steps}, not {self.batch_size}")

    @property
    def rollout_steps(self) -> int:
        """Steps between two safe boundaries: by less than that a training may overshoot its target."""
        return self.n_envs * self.n_steps


AlgorithmName = Literal["DQN", "QRDQN", "PPO"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithms:
    """Hyper-parameters of each algorithm that a section knows; at least those of its own."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _STRICT

    DQN: DqnSettings | None = None
    QRDQN: QrDqnSettings | None = None
    PPO: PpoSettings | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Those that are declared."""
        return tuple(name for name in ("DQN", "QRDQN", "PPO") if getattr(self, name) is not None)


_MAY_BE_ZERO = frozenset({"all_red_s", "yellow_used_s", "start_up_lost_s"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """One signalised crossing: lengths in m, times in s, speeds in m/s, densities in veh/m."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _STRICT

    decision_s: float
    min_green_s: float
    yellow_s: float
    all_red_s: float
    yellow_used_s: float
    start_up_lost_s: float
    max_green_s: float
    episode_s: float
    dx_m: float
    dt_s: float

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            least_ok = value >= 0.0 if name in _MAY_BE_ZERO else value > 0.0
            if not (least_ok and value < float("inf")):
                raise ValueError(f"{name} must be above 0 and finite, not {value}")
        if self.dt_s > self.dx_m / FREE_SPEED_M_S:
            raise ValueError(
                f"dt_s must not exceed dx_m / {FREE_SPEED_M_S} m/s = {self.dx_m / FREE_SPEED_M_S:.4g} s "
                f"(CFL), not {self.dt_s}"
            )
        for name, value in asdict(self).items():
            if name not in ("dx_m", "dt_s") and value > 0.0:
                _require_multiple(name, value, "dt_s", self.dt_s)
        _require_multiple("episode_s", self.episode_s, "decision_s", self.decision_s)
        _require_multiple("the arrival bin of 10 s", ARRIVAL_BIN_S, "dt_s", self.dt_s)
        _require_multiple("the link length of 300 m", LINK_LENGTH_M, "dx_m", self.dx_m)
        if self.min_green_s > self.max_green_s:
            raise ValueError(f"min_green_s must not exceed max_green_s, but {self.min_green_s} > {self.max_green_s}")
        if self.yellow_used_s > self.yellow_s:
            raise ValueError(f"yellow_used_s must not exceed yellow_s, but {self.yellow_used_s} > {self.yellow_s}")
        if self.start_up_lost_s >= self.min_green_s:
            raise ValueError(f"start_up_lost_s must be below min_green_s, but {self.start_up_lost_s} is not")


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """What the section claims, written down before it runs.

    Attributes:
        baseline: Classical controller that the policy must beat.
        min_delay_reduction_pct: Least reduction of the mean delay per vehicle, percent.
        min_trainings: Trainings with different seeds that a claim about an algorithm needs; fewer are inconclusive.
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _STRICT

    baseline: Literal["fixed_time", "webster", "actuated", "max_pressure", "longest_queue"]
    min_delay_reduction_pct: float
    min_trainings: int

    def __post_init__(self) -> None:
        if not 0.0 <= self.min_delay_reduction_pct < 100.0:
            raise ValueError(f"min_delay_reduction_pct must lie in [0, 100), not {self.min_delay_reduction_pct}")
        _require_positive(self, "min_trainings")


def _require_multiple(name: str, value: float, unit_name: str, unit: float) -> None:
    count = round(value / unit)
    if count < 1 or abs(count * unit - value) > 1e-9 * value:
        raise ValueError(f"{name} must be a multiple of {unit_name} = {unit}, not {value}")


def _require_positive(block: Any, *names: str) -> None:
    for name in names:
        if not getattr(block, name) > 0:
            raise ValueError(f"{name} must be above 0, not {getattr(block, name)}")


def _require_share(block: Any, name: str) -> None:
    if not 0.0 < getattr(block, name) <= 1.0:
        raise ValueError(f"{name} must lie in (0, 1], not {getattr(block, name)}")


def plain(block: Any) -> dict[str, Any]:
    """A block as plain JSON."""
    return asdict(block)
