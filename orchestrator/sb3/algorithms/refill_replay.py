"""Refills an empty replay buffer after a warm start: the trained policy acts first, then learning starts.

Stable-Baselines3 counts `learning_starts` in absolute steps. A training that starts from saved weights keeps the step
count but has an empty buffer, so without this its first updates would learn from one or two transitions.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.checkpoint.resume_grade import WEIGHTS_ONLY


class GatheringAnew:
    """Mixin for an algorithm with a replay buffer: before `learning_starts` it can act by its policy.

    Attributes:
        acts_by_its_policy: Use the policy, with exploration, where the library would draw actions at random.
    """

    acts_by_its_policy: bool = False

    def _sample_action(self, learning_starts: int, *args: Any, **settings: Any) -> Any:
        random_before_steps = 0 if self.acts_by_its_policy else learning_starts
        return super()._sample_action(random_before_steps, *args, **settings)  # type: ignore[misc]  # of the algorithm


def gather_anew_from(model: BaseAlgorithm, steps: int) -> None:
    """Delay learning of a warm-started model by the declared `learning_starts`, counted from its start.

    Args:
        model: Freshly built. A model without a replay buffer is not changed.
        steps: Step count at which it started from weights.
    """
    if not isinstance(model, OffPolicyAlgorithm):
        return
    if not hasattr(type(model), "acts_by_its_policy"):
        model.__class__ = _gathering(type(model))
    model.acts_by_its_policy = True  # type: ignore[attr-defined]  # of its class
    if isinstance(model, GatheringAnew):
        model.learning_starts += steps
    elif getattr(model, "delayed_by_steps", None) != steps:  # a user's own algorithm restores both attributes
        model.learning_starts += steps
        model.delayed_by_steps = steps  # type: ignore[attr-defined]  # read here only


@lru_cache(maxsize=8)
def _gathering(kind: type[OffPolicyAlgorithm]) -> type:
    """The class of a script's own model, with the mixin's method; under the same name, which describes the model.

    A class with the mixin as a second base could not replace the class of an object.
    """

    def sample(model: Any, learning_starts: int, *args: Any, **settings: Any) -> Any:
        return kind._sample_action(model, 0 if model.acts_by_its_policy else learning_starts, *args, **settings)

    names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    return type(kind.__name__, (kind,), {**names, "acts_by_its_policy": False, "_sample_action": sample})


def began_from_weights_at(card: CheckpointCard) -> int | None:
    """Steps of the newest weights-only start in a checkpoint's ancestry, None if there is none."""
    return max((ancestor.steps for ancestor in card.ancestry if ancestor.continued == WEIGHTS_ONLY), default=None)
