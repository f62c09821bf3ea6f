"""Hyper-parameters of each algorithm: keys of a section's card, and of the spec that a session reads.

Names are those of stable-baselines3 and sb3-contrib; parameters that are not here keep their defaults. Steps are
decisions, summed over environments. An optional key that is left out is not part of the lineage, so a new optional key
changes no lineage id.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from orchestrator.kernel.algorithms.plans import (
    NOT_NEGATIVE,
    POSITIVE,
    SHARE,
    Block,
    LinearPlan,
    NoisePlan,
    NormalizePlan,
)
from orchestrator.kernel.schema import read


@dataclass(frozen=True, slots=True, kw_only=True)
class HyperParameters(Block):
    """Hyper-parameters of every algorithm.

    Attributes:
        n_envs: Environments stepped together.
        learning_rate: Of the optimizer.
        gamma: Discount per decision.
        selection_scenarios: Number of tuning scenarios on which the best model is chosen during training.
        normalize: Running normalization of observations or rewards; None for none.
    """

    n_envs: int = field(metadata=POSITIVE)
    learning_rate: LinearPlan
    gamma: float = field(metadata=SHARE)
    selection_scenarios: int = field(metadata=POSITIVE)
    normalize: NormalizePlan | None = None

    @property
    def rollout_steps(self) -> int:
        """Steps between two safe boundaries; a training overshoots its target by less than this."""
        raise NotImplementedError

    @property
    def horizon_steps(self) -> int:
        """Step at which every schedule has reached its end; progress is measured against it."""
        return self.learning_rate.over_steps


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayHyperParameters(HyperParameters):
    """Hyper-parameters of algorithms with a replay buffer.

    Attributes:
        batch_size: Transitions per gradient update.
        buffer_size: Transitions that the replay buffer holds.
        learning_starts: Steps with random actions before the first update.
        train_freq: Decisions per environment in one rollout.
        gradient_steps: Updates per rollout.
    """

    batch_size: int = field(metadata=POSITIVE)
    buffer_size: int = field(metadata=POSITIVE)
    learning_starts: int = field(metadata=NOT_NEGATIVE)
    train_freq: int = field(metadata=POSITIVE)
    gradient_steps: int = field(metadata=POSITIVE)

    @property
    def rollout_steps(self) -> int:
        """Steps between two safe boundaries; a training overshoots its target by less than this."""
        return self.n_envs * self.train_freq


@dataclass(frozen=True, slots=True, kw_only=True)
class DqnHyperParameters(ReplayHyperParameters):
    """Deep Q-learning (Mnih et al., Nature 518, 2015).

    Attributes:
        exploration: Probability of a random action.
        target_update_interval: Steps between copies into the target network; 0 copies after every rollout.
    """

    exploration: LinearPlan
    target_update_interval: int = field(metadata=NOT_NEGATIVE)

    @property
    def horizon_steps(self) -> int:
        """Step at which every schedule has reached its end; progress is measured against it."""
        return max(self.learning_rate.over_steps, self.exploration.over_steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class QrDqnHyperParameters(DqnHyperParameters):
    """Quantile regression Q-learning (Dabney et al., AAAI 2018).

    Attributes:
        n_quantiles: Number of quantiles of the return.
    """

    n_quantiles: int = field(metadata=POSITIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContinuousHyperParameters(ReplayHyperParameters):
    """Hyper-parameters of algorithms with a replay buffer and a continuous action.

    Attributes:
        tau: Soft update coefficient of the target networks, 0 to 1.
    """

    tau: float = field(metadata=SHARE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SacHyperParameters(ContinuousHyperParameters):
    """Soft actor-critic (Haarnoja et al., arXiv 1812.05905, 2018).

    Attributes:
        ent_coef: Weight of the entropy; `auto`, or `auto_0.1` with its start value, if it is learned.
    """

    ent_coef: str | float

    def faults(self) -> Iterator[str]:
        """Values that are not allowed, one sentence each."""
        yield from Block.faults(self)
        value = self.ent_coef
        if isinstance(value, str):
            wrong = value != "auto" and not _is_positive(value.removeprefix("auto_"))
        else:
            wrong = not 0.0 <= value < float("inf")
        if wrong:
            yield f"ent_coef must be auto, auto_ and its start value, or a number, not {value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Td3HyperParameters(ContinuousHyperParameters):
    """Twin delayed deep deterministic policy gradient (Fujimoto et al., ICML 2018).

    Attributes:
        policy_delay: Updates of the critics per update of the actor.
        target_policy_noise: Standard deviation of the noise on the target's action.
        target_noise_clip: Bound of that noise.
        action_noise: Noise on the actions during training.
    """

    policy_delay: int = field(metadata=POSITIVE)
    target_policy_noise: float = field(metadata=POSITIVE)
    target_noise_clip: float = field(metadata=POSITIVE)
    action_noise: NoisePlan


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutHyperParameters(HyperParameters):
    """Hyper-parameters of on-policy algorithms, which learn from the latest rollout.

    Attributes:
        n_steps: Decisions per environment in one rollout.
        gae_lambda: Lambda of the generalized advantage estimate.
        ent_coef: Weight of the entropy bonus.
    """

    n_steps: int = field(metadata=POSITIVE)
    gae_lambda: float = field(metadata=SHARE)
    ent_coef: float = field(metadata=NOT_NEGATIVE)

    @property
    def rollout_steps(self) -> int:
        """Steps between two safe boundaries; a training overshoots its target by less than this."""
        return self.n_envs * self.n_steps


@dataclass(frozen=True, slots=True, kw_only=True)
class PpoHyperParameters(RolloutHyperParameters):
    """Proximal policy optimization (Schulman et al., arXiv 1707.06347, 2017).

    Attributes:
        batch_size: Transitions per gradient update; divides a rollout.
        n_epochs: Passes over a rollout.
        clip_range: Largest change of the probability ratio.
    """

    batch_size: int = field(metadata=POSITIVE)
    n_epochs: int = field(metadata=POSITIVE)
    clip_range: float = field(metadata=POSITIVE)

    def faults(self) -> Iterator[str]:
        """Values that are not allowed, one sentence each."""
        yield from Block.faults(self)
        rollout = self.rollout_steps
        if rollout > 0 and self.batch_size > 0 and rollout % self.batch_size:
            yield f"batch_size must divide n_envs * n_steps = {rollout}, not {self.batch_size}"


@dataclass(frozen=True, slots=True, kw_only=True)
class A2cHyperParameters(RolloutHyperParameters):
    """Advantage actor-critic (Mnih et al., ICML 2016): one update per rollout.

    Attributes:
        vf_coef: Weight of the value function's loss.
        normalize_advantage: Whether advantages are scaled to mean 0 and standard deviation 1 in each rollout.
    """

    vf_coef: float = field(metadata=POSITIVE)
    normalize_advantage: bool


AlgorithmName = Literal["DQN", "QRDQN", "PPO", "A2C", "SAC", "TD3"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithms:
    """Hyper-parameters of each algorithm that a section declares; at least those of its own."""

    DQN: DqnHyperParameters | None = None
    QRDQN: QrDqnHyperParameters | None = None
    PPO: PpoHyperParameters | None = None
    A2C: A2cHyperParameters | None = None
    SAC: SacHyperParameters | None = None
    TD3: Td3HyperParameters | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the declared algorithms."""
        return tuple(one.name for one in fields(self) if getattr(self, one.name) is not None)


KINDS: Mapping[str, type[HyperParameters]] = {
    name: typing.get_args(kind)[0] for name, kind in typing.get_type_hints(Algorithms).items()
}
"""Name of an algorithm in stable-baselines3 -> its hyper-parameters."""


def read_hyper_parameters(algorithm: str, plain: Mapping[str, Any]) -> HyperParameters:
    """Read the block `hyper_parameters` of a lineage.

    Raises:
        ValueError: The algorithm or a key is unknown, a key is missing, or a value is not allowed; the message names
            it.
    """
    if algorithm not in KINDS:
        raise ValueError(f"lineage.algorithm is {algorithm!r}; known are {', '.join(KINDS)}")
    return read(KINDS[algorithm], plain, place="hyper_parameters")


def _is_positive(text: str) -> bool:
    try:
        return 0.0 < float(text) < float("inf")
    except ValueError:
        return False
