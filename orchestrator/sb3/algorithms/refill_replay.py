"""An empty replay buffer behind a policy that can do something already: gathered with the policy, then learned from.

Stable-Baselines3 counts `learning_starts` in absolute steps. A training that began from another's weights keeps the
step count and has an empty buffer: its first updates would learn from one or two transitions.
"""

from __future__ import annotations

from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm

from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.checkpoint.resume_grade import WEIGHTS_ONLY


class GatheringAnew:
    """Mixed in before an algorithm with a replay buffer: before it learns it may act by its policy, with exploration.

    Attributes:
        acts_by_its_policy: Also before `learning_starts`, where the library draws actions at random.
    """

    acts_by_its_policy: bool = False

    def _sample_action(self, learning_starts: int, *args: Any, **settings: Any) -> Any:
        random_before_steps = 0 if self.acts_by_its_policy else learning_starts
        return super()._sample_action(random_before_steps, *args, **settings)  # type: ignore[misc]  # of the algorithm


def gather_anew_from(model: BaseAlgorithm, steps: int) -> None:
    """Let a freshly built model learn only after as many steps more as its lineage declares.

    Args:
        model: Its `learning_starts` is still the declared one. Without a replay buffer nothing changes.
        steps: At which it began from weights.
    """
    if isinstance(model, GatheringAnew):
        model.acts_by_its_policy = True
        model.learning_starts += steps  # type: ignore[attr-defined]  # of the algorithm that it is mixed into


def began_from_weights_at(card: CheckpointCard) -> int | None:
    """Steps at which the training of a checkpoint began from weights, by its ancestry; None if it never did."""
    taken = [ancestor.steps for ancestor in card.ancestry if ancestor.continued == WEIGHTS_ONLY]
    return max(taken, default=None)
