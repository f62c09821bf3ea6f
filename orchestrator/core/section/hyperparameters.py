"""Hyper-parameters of a section card, by algorithm; declared here so that a mistake is found before a session.

The names are those of stable-baselines3 and sb3-contrib. The kernel checks the same keys again; a test compares the
two. An optional key that is left out is not part of the lineage, so adding such a key here changes no lineage id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Literal

from orchestrator.core.section.hyperparameter_types import (
    STRICT,
    ActionNoiseSettings,
    LinearSchedule,
    NormalizeSettings,
    is_positive,
    require_positive,
    require_share,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningSettings:
    """Hyper-parameters of every algorithm.

    Attributes:
        n_envs: Environments stepped together; steps are counted over all of them.
        selection_scenarios: Number of tuning scenarios on which the best model is chosen during training.
        normalize: What is normalized; optional.
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = STRICT

    n_envs: int
    learning_rate: LinearSchedule
    gamma: float
    selection_scenarios: int
    normalize: NormalizeSettings | None = None

    def __post_init__(self) -> None:
        require_positive(self, "n_envs", "selection_scenarios")
        require_share(self, "gamma")

    @property
    def rollout_steps(self) -> int:
        """Steps between two safe boundaries; a training overshoots its target by less than this."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySettings(LearningSettings):
    """Hyper-parameters of algorithms with a replay buffer."""

    batch_size: int
    buffer_size: int
    learning_starts: int
    train_freq: int
    gradient_steps: int

    def __post_init__(self) -> None:
        LearningSettings.__post_init__(self)
        require_positive(self, "batch_size", "buffer_size", "train_freq", "gradient_steps")

    @property
    def rollout_steps(self) -> int:
        """Steps between two safe boundaries; a training overshoots its target by less than this."""
        return self.n_envs * self.train_freq


@dataclass(frozen=True, slots=True, kw_only=True)
class DqnSettings(ReplaySettings):
    """Deep Q-learning (Mnih et al., Nature 518, 2015)."""

    exploration: LinearSchedule
    target_update_interval: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QrDqnSettings(DqnSettings):
    """Quantile regression Q-learning (Dabney et al., AAAI 2018)."""

    n_quantiles: int

    def __post_init__(self) -> None:
        DqnSettings.__post_init__(self)
        require_positive(self, "n_quantiles")


@dataclass(frozen=True, slots=True, kw_only=True)
class SacSettings(ReplaySettings):
    """Soft actor-critic (Haarnoja et al., 2018); `ent_coef: auto` means that it is learned."""

    tau: float
    ent_coef: str | float

    def __post_init__(self) -> None:
        ReplaySettings.__post_init__(self)
        require_share(self, "tau")
        value = self.ent_coef
        if isinstance(value, str):
            wrong = value != "auto" and not is_positive(value.removeprefix("auto_"))
        else:
            wrong = value < 0.0
        if wrong:
            raise ValueError(f"ent_coef must be auto, auto_ and its start value, or a number, not {self.ent_coef}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Td3Settings(ReplaySettings):
    """Twin delayed deep deterministic policy gradient (Fujimoto et al., ICML 2018)."""

    tau: float
    policy_delay: int
    target_policy_noise: float
    target_noise_clip: float
    action_noise: ActionNoiseSettings

    def __post_init__(self) -> None:
        ReplaySettings.__post_init__(self)
        require_share(self, "tau")
        require_positive(self, "policy_delay", "target_policy_noise", "target_noise_clip")


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutSettings(LearningSettings):
    """Hyper-parameters of on-policy algorithms, which learn from the latest rollout."""

    n_steps: int
    gae_lambda: float
    ent_coef: float

    def __post_init__(self) -> None:
        LearningSettings.__post_init__(self)
        require_positive(self, "n_steps")
        require_share(self, "gae_lambda")
        if self.ent_coef < 0.0:
            raise ValueError(f"ent_coef must not be negative, not {self.ent_coef}")

    @property
    def rollout_steps(self) -> int:
        """Steps between two safe boundaries; a training overshoots its target by less than this."""
        return self.n_envs * self.n_steps


@dataclass(frozen=True, slots=True, kw_only=True)
class PpoSettings(RolloutSettings):
    """Proximal policy optimization (Schulman et al., 2017)."""

    batch_size: int
    n_epochs: int
    clip_range: float

    def __post_init__(self) -> None:
        RolloutSettings.__post_init__(self)
        require_positive(self, "batch_size", "n_epochs", "clip_range")
        if self.rollout_steps % self.batch_size:
            raise ValueError(f"batch_size must divide n_envs * n_steps = {self.rollout_steps}, not {self.batch_size}")


@dataclass(frozen=True, slots=True, kw_only=True)
class A2cSettings(RolloutSettings):
    """Advantage actor-critic (Mnih et al., ICML 2016)."""

    vf_coef: float
    normalize_advantage: bool

    def __post_init__(self) -> None:
        RolloutSettings.__post_init__(self)
        require_positive(self, "vf_coef")


AlgorithmName = Literal["DQN", "QRDQN", "PPO", "A2C", "SAC", "TD3"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithms:
    """Hyper-parameters of each algorithm that a section declares; at least those of its own."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = STRICT

    DQN: DqnSettings | None = None
    QRDQN: QrDqnSettings | None = None
    PPO: PpoSettings | None = None
    A2C: A2cSettings | None = None
    SAC: SacSettings | None = None
    TD3: Td3Settings | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the declared algorithms."""
        return tuple(field.name for field in fields(self) if getattr(self, field.name) is not None)


def declared(block: LearningSettings) -> dict[str, Any]:
    """A block as plain JSON, without the keys that the card leaves out."""
    return _without_none(asdict(block))


def _without_none(block: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(value) if isinstance(value, Mapping) else value
        for key, value in block.items()
        if value is not None
    }
