"""Warm start: a new training from a checkpoint's weights, if the user accepts the grade `weights-only`.

Optimizer, replay buffer and episodes are new; learning starts after the policy has made `learning_starts` steps. The
step count continues, for the schedules and the order of checkpoints, and so does a running normalization, since the
weights are only valid with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecNormalize

from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.checkpoint.normalization_file import read_normalization
from orchestrator.kernel.outcome import SessionRefused
from orchestrator.kernel.wire import CHECKPOINTS, MODEL_SUFFIX, STATE_SUFFIX
from orchestrator.sb3.algorithms.normalization_state import restore_statistics, tree_of
from orchestrator.sb3.algorithms.refill_replay import gather_anew_from
from orchestrator.sb3.checkpoint.foreign_weights import read_adopted_policy, require_fitting
from orchestrator.sb3.envs.wrappers import restore_layers
from orchestrator.sb3.state.identity import ResumeGrade
from orchestrator.sb3.state.npz_tree import read_state
from orchestrator.sb3.state.policy_digest import policy_digest
from orchestrator.sb3.state.policy_probe import check_seam
from orchestrator.sb3.state.sb3_zip import read_parameters
from orchestrator.sb3.state.training_state_io import environment_of
from orchestrator.sb3.training.history import TrainingHistory
from orchestrator.sb3.training.soundness import require_finite_checkpoint
from orchestrator.sb3.training.training_state import Training


def begin_from_weights(training: Training, card: CheckpointCard, grade: ResumeGrade) -> None:
    """Load the weights of a verified checkpoint into a freshly built model.

    Raises:
        SessionRefused: The weights do not fit the network, or do not match the card.
        CheckpointUnusable: The weights or their normalization are not finite.
    """
    context, model = training.context, training.model
    path = context.models_dir / CHECKPOINTS / (card.stem + MODEL_SUFFIX)
    policy = _policy(training, card, path.read_bytes())
    state = read_state(path.with_name(card.stem + STATE_SUFFIX)) if card.has_state else {}
    # Only what is taken over must be finite: the optimizer's state and the replay buffer are not used.
    require_finite_checkpoint(model, card, _taken_over(state), {"policy": policy})
    require_fitting(card, policy, model)
    model.policy.load_state_dict(policy, strict=True)
    found = policy_digest(model.policy)
    if found != card.identity.get("policy_digest") and not card.is_adopted_model:
        raise SessionRefused(f"{card.stem} holds the policy {found[:12]}, its card states another one")
    _restore_layers(training, _saved_layers(training, card, state), adopted=card.is_adopted_model)
    model.num_timesteps = card.steps
    gather_anew_from(model, card.steps)
    _set_exploration(model)
    training.record = TrainingHistory(
        policy_digest_at_start=found, last_eval_steps=card.steps, last_save_steps=card.steps, seams=[card.steps]
    )
    training.parent = training.resumed_from = card
    training.grade = grade
    training.steps_start = card.steps
    context.reporter.say(
        f"[CHECKPOINT] Weights only: a new training from {card.steps} steps on, with a new optimizer and new episodes"
    )


def _policy(training: Training, card: CheckpointCard, content: bytes) -> dict[str, Any]:
    model = training.model
    if card.is_adopted_model:
        return read_adopted_policy(content, card, model)
    parameters = read_parameters(content, sha256=card.sha256_of(MODEL_SUFFIX), device=model.device)
    policy: dict[str, Any] = parameters["policy"]
    return policy


def _taken_over(state: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a state that are used: the environment's layers, and the probe for checking the policy."""
    layers = {name: part for name, part in state.get("training", {}).items() if name == "layers"}
    return {"training": layers, "probe": state.get("probe")}


def _saved_layers(training: Training, card: CheckpointCard, state: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The saved states of the environment's layers; first checks the policy's answers against the probe."""
    if state:
        check_seam(training.model, state.get("probe"), exact=False)
        layers: list[dict[str, Any]] = state["training"].get("layers", [])
        return layers
    if card.has_normalization:
        path = training.context.models_dir / CHECKPOINTS / (card.stem + MODEL_SUFFIX)
        statistics = tree_of(read_normalization(path), n_envs=training.model.n_envs, steps=card.steps)
        return [{"kind": VecNormalize.__name__, "state": statistics}]
    return []


def _restore_layers(training: Training, layers: list[dict[str, Any]], *, adopted: bool) -> None:
    """Restore the layers; if the environment has other layers now, restore the normalization's statistics only."""
    say, layer = training.context.reporter.say, training.model.get_vec_normalize_env()
    if adopted and not layers:
        if layer is not None:
            say("[CHECKPOINT] The normalization starts over: the adopted model came without statistics")
        return
    try:
        restore_layers(environment_of(training.model), layers)
        return
    except ValueError as fault:
        say(f"[CHECKPOINT] Not all of the environment's layers can be continued: {fault}")
    kept = next((tree["state"] for tree in layers if tree["kind"] == VecNormalize.__name__), None)
    if kept is None or layer is None:
        return
    try:
        restore_statistics(layer, kept)
    except ValueError as fault:
        say(f"[CHECKPOINT] The normalization starts over: {fault}")
    else:
        say("[CHECKPOINT] The statistics of the normalization are continued")


def _set_exploration(model: BaseAlgorithm) -> None:
    """Set the exploration rate to its schedule's value at the current step, for the first rollout."""
    if model.num_timesteps == 0:  # an adopted model whose steps do not count: as for a new training
        return
    model._update_current_progress_remaining(model.num_timesteps, model.num_timesteps)
    if hasattr(model, "exploration_schedule"):
        rate = model.exploration_schedule(model._current_progress_remaining)
        model.exploration_rate = rate  # type: ignore[attr-defined]  # of the Q-learning kinds
