"""Whether a training, or a checkpoint of one, can be gone on from: every number of it is finite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm

from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.outcome import CheckpointUnusable
from orchestrator.sb3.envs.wrappers import declared_non_finite
from orchestrator.sb3.state.finite import non_finite_parts, told
from orchestrator.sb3.state.sb3_zip import live_parameters
from orchestrator.sb3.state.training_state_io import capture_state, environment_of
from orchestrator.sb3.training.training_state import TrainingState


class NonFiniteTraining(ArithmeticError):
    """A number of the training is NaN or infinite: it cannot be saved, and no best model can be chosen from it."""


def require_finite_training(training: TrainingState, captured: Mapping[str, Any]) -> None:
    """Refuse to save a training that holds NaN or an infinity.

    Args:
        training: Its weights, its optimizer's numbers and what it learns besides them.
        captured: Its captured state.

    Raises:
        NonFiniteTraining: Names the part, causes before effects: what the environment gave comes before the weights.
    """
    env = environment_of(training.model)
    found = list(non_finite_parts(_causes_first(captured), may_be=declared_non_finite(env)))
    found += non_finite_parts(live_parameters(training.model))
    if found:
        raise NonFiniteTraining(_account(training, told(found, captured), found[0].part))


def require_finite_record(training: TrainingState, beside: Mapping[str, Any]) -> None:
    """The same for what a checkpoint keeps beside the training: selection, curve, probe.

    Raises:
        NonFiniteTraining: Names the part.
    """
    if found := list(non_finite_parts(beside)):
        raise NonFiniteTraining(_account(training, told(found)))


def require_finite_parameters(training: TrainingState) -> None:
    """Refuse to evaluate, and to choose as the best, a policy of NaN: greedily it still acts, and may even score well.

    Raises:
        NonFiniteTraining: Names the part; what the environment gave, where the fault came from there.
    """
    if any(non_finite_parts(live_parameters(training.model))):
        require_finite_training(training, capture_state(training.model))


def require_finite_checkpoint(
    model: BaseAlgorithm, card: CheckpointCard, state: Mapping[str, Any], parameters: Mapping[str, Any]
) -> None:
    """Refuse a checkpoint that holds NaN or an infinity, before anything of it is put into the model.

    Its digests say that it is what was saved, not that it can be gone on from: older code saved such states.

    Args:
        model: The freshly built one; its environment says what of its own state need not be finite.
        card: The checkpoint's, its files verified.
        state: What of its side file is taken over; parts of the training under `training`.
        parameters: What of its model zip is taken over.

    Raises:
        CheckpointUnusable: Names the part.
    """
    captured = state.get("training", {})
    found = list(non_finite_parts(_causes_first(captured), may_be=declared_non_finite(environment_of(model))))
    found += non_finite_parts(parameters)
    found += non_finite_parts({name: part for name, part in state.items() if name != "training"})
    if found:
        raise CheckpointUnusable(f"{card.stem} cannot be resumed: {told(found, captured)}")


def _causes_first(captured: Mapping[str, Any]) -> dict[str, Any]:
    """The replay buffer knows at which step a number came; the returns of episodes only add up what others hold."""
    order = sorted(captured, key=lambda name: {"replay_buffer": 0, "episode_statistics": 2}.get(name, 1))
    return {name: captured[name] for name in order}


def _account(training: TrainingState, fault: str, part: str = "") -> str:
    kept = training.parent
    there = f"it resumes from the checkpoint of {kept.steps} steps" if kept else "it starts over, nothing was saved yet"
    made = "Find what made it (an observation, a reward, a learning rate that is too high) and fix it"
    if part.startswith("environment."):
        key = next(name for name in reversed(part.split(".")) if not name.isdigit())
        declared = f'NON_FINITE_STATE = ("{key}",)'
        made = f"Fix the environment, or, where this number means something, declare {declared} in its class"
    return (
        f"after {training.steps} steps the training cannot be saved: {fault}\n"
        f"{made}, then run the same command again: {there}."
    )
