"""Another training that begins from a checkpoint's weights, because the user said that this is wanted.

The optimizer is new, the replay buffer empty, the episodes begin; nothing is learned before the policy has filled the
buffer with as many steps as are declared for a beginning. The step count goes on, so that schedules of the absolute
step and the order of checkpoints do; and so does a running normalization, without which the weights mean nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm

from kernel_templates.kernel_runtime.cards import CheckpointCard
from kernel_templates.kernel_runtime.endings import SessionRefused
from kernel_templates.kernel_runtime.wire import CHECKPOINTS, MODEL_SUFFIX, STATE_SUFFIX
from validation_ch7.learning.full_state import environment_of
from validation_ch7.learning.gathering import gather_anew_from
from validation_ch7.learning.identity import ResumeGrade
from validation_ch7.learning.layers import has_layers_to_keep, restore_layers
from validation_ch7.learning.model_file import read_parameters
from validation_ch7.learning.policy_digest import policy_digest
from validation_ch7.learning.record import TrainingRecord
from validation_ch7.learning.seam_probe import check_seam
from validation_ch7.learning.soundness import require_finite_checkpoint
from validation_ch7.learning.state_file import read_state
from validation_ch7.learning.underway import Underway


def begin_from_weights(underway: Underway, card: CheckpointCard, grade: ResumeGrade) -> None:
    """Put the weights of a verified checkpoint into a freshly built model.

    Raises:
        SessionRefused: They do not fit the network, or are not those that the card describes.
        CheckpointUnusable: They, or the normalization that goes with them, are not finite.
    """
    context, model = underway.context, underway.model
    path = context.models_dir / CHECKPOINTS / (card.stem + MODEL_SUFFIX)
    parameters = read_parameters(path.read_bytes(), sha256=card.sha256_of(MODEL_SUFFIX), device=model.device)
    state = read_state(path.with_name(card.stem + STATE_SUFFIX)) if card.has_state else {}
    # The optimizer's numbers and the replay buffer are left behind: they may be what they want.
    require_finite_checkpoint(model, card, _taken_over(state), {"policy": parameters["policy"]})
    try:
        model.policy.load_state_dict(parameters["policy"], strict=True)
    except RuntimeError as fault:
        raise SessionRefused(f"the weights of {card.stem} do not fit this network: {fault}") from fault
    found = policy_digest(model.policy)
    if found != card.identity.get("policy_digest"):
        raise SessionRefused(f"{card.stem} holds the policy {found[:12]}, its card states another")
    if state:
        check_seam(model, state.get("probe"), exact=False)
        _take_normalization(underway, state["training"])
    model.num_timesteps = card.steps
    gather_anew_from(model, card.steps)
    _explore_as_at(model)
    underway.record = TrainingRecord(
        policy_digest_at_start=found, last_eval_steps=card.steps, last_save_steps=card.steps, seams=[card.steps]
    )
    underway.parent = underway.resumed_from = card
    underway.grade = grade
    underway.steps_start = card.steps
    context.reporter.say(
        f"[CHECKPOINT] Weights only: a new training from {card.steps} steps on, with a new optimizer and new episodes"
    )


def _taken_over(state: Mapping[str, Any]) -> dict[str, Any]:
    """What of a state goes on: the normalization, and the probe that the policy is checked by."""
    layers = {name: part for name, part in state.get("training", {}).items() if name == "layers"}
    return {"training": layers, "probe": state.get("probe")}


def _take_normalization(underway: Underway, training: Mapping[str, Any]) -> None:
    env = environment_of(underway.model)
    if "layers" not in training or not has_layers_to_keep(env):
        return
    try:
        restore_layers(env, training["layers"])
    except ValueError as fault:  # another number of environments, or another normalization
        underway.context.reporter.say(f"[CHECKPOINT] The normalization begins anew: {fault}")


def _explore_as_at(model: BaseAlgorithm) -> None:
    """The first rollout must not explore as an untrained policy would, nor as one at its end."""
    model._update_current_progress_remaining(model.num_timesteps, model.num_timesteps)
    if hasattr(model, "exploration_schedule"):
        rate = model.exploration_schedule(model._current_progress_remaining)
        model.exploration_rate = rate  # type: ignore[attr-defined]  # of the Q-learning kinds
