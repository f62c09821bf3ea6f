"""Refuses to save, evaluate or resume a training that holds NaN or an infinity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm

from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.outcome import CheckpointUnusable
from orchestrator.sb3.envs.wrappers import declared_non_finite
from orchestrator.sb3.state.finite import describe_parts, non_finite_parts
from orchestrator.sb3.state.sb3_zip import live_parameters
from orchestrator.sb3.state.training_state_io import capture_state, environment_of
from orchestrator.sb3.training.training_state import Training


class NonFiniteTraining(ArithmeticError):
    """A number of the training is NaN or infinite, so it can be neither saved nor evaluated."""


def require_finite_training(training: Training, captured: Mapping[str, Any]) -> None:
    """Refuse to save a training that holds NaN or an infinity.

    Args:
        training: The training; its weights, optimizers and learned variables are checked.
        captured: Its captured state.

    Raises:
        NonFiniteTraining: Names the first part, causes before effects: data of the environment before weights.
    """
    env = environment_of(training.model)
    found = list(non_finite_parts(_causes_first(captured), may_be=declared_non_finite(env)))
    found += non_finite_parts(live_parameters(training.model))
    if found:
        raise NonFiniteTraining(_message(training, describe_parts(found, captured), found[0].part))


def require_finite_record(training: Training, beside: Mapping[str, Any]) -> None:
    """Refuse to save a side file whose history or probe holds NaN or an infinity.

    Raises:
        NonFiniteTraining: Names the part.
    """
    if found := list(non_finite_parts(beside)):
        raise NonFiniteTraining(_message(training, describe_parts(found)))


def require_finite_parameters(training: Training) -> None:
    """Refuse to evaluate a policy with NaN weights: it would still act, and might even get a high score.

    Raises:
        NonFiniteTraining: Names the part; the environment's data if they caused it.
    """
    if any(non_finite_parts(live_parameters(training.model))):
        require_finite_training(training, capture_state(training.model))


def require_finite_checkpoint(
    model: BaseAlgorithm, card: CheckpointCard, state: Mapping[str, Any], parameters: Mapping[str, Any]
) -> None:
    """Refuse a checkpoint that holds NaN or an infinity, before any of it is loaded into the model.

    Its digests only prove that it is unchanged; earlier versions saved such states.

    Args:
        model: Freshly built; its environment declares which parts of its state need not be finite.
        card: The checkpoint's card, its files verified.
        state: The parts of its side file that will be used; sections of the training under `training`.
        parameters: The parts of its model zip that will be used.

    Raises:
        CheckpointUnusable: Names the part.
    """
    captured = state.get("training", {})
    found = list(non_finite_parts(_causes_first(captured), may_be=declared_non_finite(environment_of(model))))
    found += non_finite_parts(parameters)
    found += non_finite_parts({name: part for name, part in state.items() if name != "training"})
    if found:
        raise CheckpointUnusable(f"{card.stem} cannot be resumed: {describe_parts(found, captured)}")


def _causes_first(captured: Mapping[str, Any]) -> dict[str, Any]:
    """The replay buffer first, since it shows the step of a number; episode returns last, since they are sums."""
    order = sorted(captured, key=lambda name: {"replay_buffer": 0, "episode_statistics": 2}.get(name, 1))
    return {name: captured[name] for name in order}


def _message(training: Training, fault: str, part: str = "") -> str:
    saved = training.parent
    resume = f"it resumes from the checkpoint of {saved.steps} steps" if saved else "it starts over: nothing is saved"
    fix = "Find the cause (an observation, a reward, a learning rate that is too high) and fix it"
    if part.startswith("environment."):
        key = next(name for name in reversed(part.split(".")) if not name.isdigit())
        declared = f'NON_FINITE_STATE = ("{key}",)'
        fix = f"Fix the environment, or, if this value is valid, declare {declared} in its class"
    return (
        f"after {training.steps} steps the training cannot be saved: {fault}\n"
        f"{fix}, then run the same command again: {resume}."
    )
