"""Hyper-parameters of each algorithm. Steps are decisions, summed over environments.

Names are those of Stable-Baselines3 where it has one; its other parameters keep their defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.kernel.schema import check_keys
from orchestrator.sb3.algorithms.action_noise import NoisePlan
from orchestrator.sb3.algorithms.normalization import NormalizePlan
from orchestrator.sb3.algorithms.schedules import LinearPlan, common_horizon_steps

_NESTED: Mapping[str, type[Any]] = {
    "learning_rate": LinearPlan,
    "exploration": LinearPlan,
    "action_noise": NoisePlan,
    "normalize": NormalizePlan,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HyperParameters:
    """Hyper-parameters of every algorithm.

    Attributes:
        n_envs: Environments stepped together.
        learning_rate: Of the optimizer.
        gamma: Discount per decision.
        selection_scenarios: Number of tuning scenarios on which the best model is chosen.
        normalize: Running normalization of observations or rewards; None for none.
    """

    n_envs: int
    learning_rate: LinearPlan
    gamma: float
    selection_scenarios: int
    normalize: NormalizePlan | None = None

    @property
    def horizon_steps(self) -> int:
        """Step at which every schedule has reached its end; progress is measured against it."""
        return common_horizon_steps(self.learning_rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayHyperParameters(HyperParameters):
    """Hyper-parameters of every algorithm with a replay buffer.

    Attributes:
        batch_size: Transitions per gradient update.
        buffer_size: Transitions that the replay buffer holds.
        learning_starts: Steps with random actions before the first update.
        gradient_steps: Updates per rollout.
        train_freq: Decisions per environment in one rollout.
    """

    batch_size: int
    buffer_size: int
    learning_starts: int
    gradient_steps: int
    train_freq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DqnHyperParameters(ReplayHyperParameters):
    """Deep Q-learning (Mnih et al., Nature 518, 2015).

    Attributes:
        exploration: Probability of a random action.
        target_update_interval: Steps between copies into the target network.
    """

    exploration: LinearPlan
    target_update_interval: int

    @property
    def horizon_steps(self) -> int:
        """Step at which every schedule has reached its end; progress is measured against it."""
        return common_horizon_steps(self.learning_rate, self.exploration)


@dataclass(frozen=True, slots=True, kw_only=True)
class QrDqnHyperParameters(DqnHyperParameters):
    """Quantile regression Q-learning (Dabney et al., AAAI 2018).

    Attributes:
        n_quantiles: Number of quantiles of the return.
    """

    n_quantiles: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContinuousHyperParameters(ReplayHyperParameters):
    """Hyper-parameters of the algorithms with a replay buffer and a continuous action.

    Attributes:
        tau: Soft update coefficient of the target networks, 0 to 1.
    """

    tau: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SacHyperParameters(ContinuousHyperParameters):
    """Soft actor-critic (Haarnoja et al., arXiv 1812.05905, 2018).

    Attributes:
        ent_coef: Weight of the entropy; `auto`, or `auto_0.1` with an initial value, if it is learned.
    """

    ent_coef: str | float


@dataclass(frozen=True, slots=True, kw_only=True)
class Td3HyperParameters(ContinuousHyperParameters):
    """Twin delayed deep deterministic policy gradient (Fujimoto et al., ICML 2018).

    Attributes:
        policy_delay: Updates of the critics per update of the actor.
        target_policy_noise: Standard deviation of the noise on the target's action.
        target_noise_clip: Bound of that noise.
        action_noise: Noise on the actions during training.
    """

    policy_delay: int
    target_policy_noise: float
    target_noise_clip: float
    action_noise: NoisePlan


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutHyperParameters(HyperParameters):
    """Hyper-parameters of the on-policy algorithms.

    Attributes:
        n_steps: Decisions per environment in one rollout.
        gae_lambda: Lambda of the generalized advantage estimate.
        ent_coef: Weight of the entropy bonus.
    """

    n_steps: int
    gae_lambda: float
    ent_coef: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PpoHyperParameters(RolloutHyperParameters):
    """Proximal policy optimization (Schulman et al., arXiv 1707.06347, 2017).

    Attributes:
        batch_size: Transitions per gradient update.
        n_epochs: Passes over a rollout.
        clip_range: Largest change of the probability ratio.
    """

    batch_size: int
    n_epochs: int
    clip_range: float


@dataclass(frozen=True, slots=True, kw_only=True)
class A2cHyperParameters(RolloutHyperParameters):
    """Advantage actor-critic (Mnih et al., ICML 2016): one update per rollout.

    Attributes:
        vf_coef: Weight of the value function's loss.
        normalize_advantage: Whether advantages are scaled to mean 0 and standard deviation 1 in each rollout.
    """

    vf_coef: float
    normalize_advantage: bool


KINDS: Mapping[str, type[HyperParameters]] = {
    "DQN": DqnHyperParameters,
    "QRDQN": QrDqnHyperParameters,
    "PPO": PpoHyperParameters,
    "A2C": A2cHyperParameters,
    "SAC": SacHyperParameters,
    "TD3": Td3HyperParameters,
}
"""Stable-Baselines3's name of an algorithm -> its hyper-parameters."""


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
    for name, nested in _NESTED.items():
        if values.get(name) is not None:
            check_keys(values[name], nested, place=f"hyper_parameters.{name}")
            values[name] = nested(**values[name])
    return kind(**values)
