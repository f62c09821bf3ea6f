"""What a lineage declares about learning, by algorithm. Steps are decisions summed over environments.

Names are Stable-Baselines3's where it has one; what is not declared here keeps that library's default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from validation_ch7.learning.keys import check_keys
from validation_ch7.learning.schedules import LinearPlan, common_horizon_steps

_SCHEDULED = ("learning_rate", "exploration")


@dataclass(frozen=True, slots=True, kw_only=True)
class HyperParameters:
    """What every algorithm has.

    Attributes:
        n_envs: Environments stepped together.
        learning_rate: Of the optimizer.
        batch_size: Transitions per gradient update.
        gamma: Discount per decision.
        selection_scenarios: Tuning scenarios on which the best model is chosen.
    """

    n_envs: int
    learning_rate: LinearPlan
    batch_size: int
    gamma: float
    selection_scenarios: int

    @property
    def horizon_steps(self) -> int:
        """Steps against which progress is measured."""
        return common_horizon_steps(self.learning_rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class DqnHyperParameters(HyperParameters):
    """Deep Q-learning (Mnih et al., Nature 518, 2015).

    Attributes:
        exploration: Probability of a random action.
        buffer_size: Transitions that the replay buffer holds.
        learning_starts: Steps with random actions before the first update.
        gradient_steps: Updates per rollout.
        train_freq: Decisions per environment in one rollout.
        target_update_interval: Steps between copies into the target network.
    """

    exploration: LinearPlan
    buffer_size: int
    learning_starts: int
    gradient_steps: int
    train_freq: int
    target_update_interval: int

    @property
    def horizon_steps(self) -> int:
        """Steps against which progress is measured."""
        return common_horizon_steps(self.learning_rate, self.exploration)


@dataclass(frozen=True, slots=True, kw_only=True)
class QrDqnHyperParameters(DqnHyperParameters):
    """Quantile regression Q-learning (Dabney et al., AAAI 2018).

    Attributes:
        n_quantiles: Quantiles of the return that are learned.
    """

    n_quantiles: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PpoHyperParameters(HyperParameters):
    """Proximal policy optimization (Schulman et al., arXiv 1707.06347, 2017).

    Attributes:
        n_steps: Decisions per environment in one rollout.
        n_epochs: Passes over a rollout.
        gae_lambda: Of the generalized advantage estimate.
        clip_range: How far the probability ratio may move.
        ent_coef: Weight of the entropy bonus.
    """

    n_steps: int
    n_epochs: int
    gae_lambda: float
    clip_range: float
    ent_coef: float


KINDS: Mapping[str, type[HyperParameters]] = {
    "DQN": DqnHyperParameters,
    "QRDQN": QrDqnHyperParameters,
    "PPO": PpoHyperParameters,
}
"""Algorithm, by Stable-Baselines3's name -> what it declares."""


def read_hyper_parameters(algorithm: str, plain: Mapping[str, Any]) -> HyperParameters:
    """Read the block `hyper_parameters` of a lineage.

    Raises:
        ValueError: The algorithm is unknown, or a key is unknown or missing; the message names it.
    """
    if algorithm not in KINDS:
        raise ValueError(f"lineage.algorithm is {algorithm!r}; known are {', '.join(KINDS)}")
    kind = KINDS[algorithm]
    check_keys(plain, kind, place="hyper_parameters")
    values = dict(plain)
    for name in _SCHEDULED:
        if name in values:
            check_keys(values[name], LinearPlan, place=f"hyper_parameters.{name}")
            values[name] = LinearPlan(**values[name])
    return kind(**values)
