"""Starts a session's training: from the newest verified checkpoint, or fresh; the log says which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm

from orchestrator.kernel.checkpoint.adopted import adopted_line
from orchestrator.kernel.checkpoint.card import CheckpointCard, read_card
from orchestrator.kernel.checkpoint.resume_grade import EXACT, WEIGHTS_ONLY
from orchestrator.kernel.checkpoint.survey import survey_checkpoints
from orchestrator.kernel.outcome import SessionRefused
from orchestrator.kernel.session.context import SessionContext
from orchestrator.kernel.training.kept_state.rules.registry import add_rule
from orchestrator.kernel.wire import ALONE_RUN, CARD_SUFFIX, CHECKPOINTS, MODEL_SUFFIX, STATE_SUFFIX
from orchestrator.sb3.algorithms.refill_replay import began_from_weights_at, gather_anew_from
from orchestrator.sb3.checkpoint.warm_start import begin_from_weights
from orchestrator.sb3.envs.wrappers import lost_state, prepare_env
from orchestrator.sb3.state.algorithm_state import lost_of_algorithm
from orchestrator.sb3.state.identity import ResumeGrade, grade_resume
from orchestrator.sb3.state.npz_tree import read_state, same_state
from orchestrator.sb3.state.policy_digest import policy_digest
from orchestrator.sb3.state.policy_probe import check_seam
from orchestrator.sb3.state.sb3_zip import load_weights, read_parameters
from orchestrator.sb3.state.training_state_io import begin_new_episodes, capture_state, environment_of, restore_state
from orchestrator.sb3.training.best_model import place_best_model
from orchestrator.sb3.training.factory import build_model, prepare_torch
from orchestrator.sb3.training.history import TrainingHistory
from orchestrator.sb3.training.metadata import kept_results
from orchestrator.sb3.training.soundness import require_finite_checkpoint
from orchestrator.sb3.training.training_spec import TrainingSpec
from orchestrator.sb3.training.training_state import Task, Training, TrainingState


def begin_training(context: SessionContext, plan: TrainingSpec, task: Task) -> TrainingState:
    """Build the model and, if there is a checkpoint, continue it.

    Raises:
        SessionRefused: The checkpoint belongs to another training, or no promised checkpoint verifies.
        CheckpointUnusable: The checkpoint verifies, but holds NaN or an infinity.
        ValueError: The spec is invalid, or the checkpoint contradicts its card.
    """
    latest = _latest_checkpoint(context, plan.scenario)
    device = prepare_torch(plan.device)
    model = build_model(plan.lineage, task.build_env(plan.lineage), device=device, target_steps=plan.target_steps)
    for rule in task.environment_rules:
        add_rule(rule)
    prepare_env(environment_of(model), context)
    _require_savable_state(plan, model)
    training = TrainingState(
        context=context,
        plan=plan,
        task=task,
        model=model,
        record=TrainingHistory(policy_digest_at_start=policy_digest(model.policy)),
        kept=kept_results(context.models_dir),
    )
    if latest is None:
        context.reporter.say("[CHECKPOINT] Starting fresh training")
    else:
        restored = resume_training(training, latest)
        if "exploration_matrices" in restored:
            training.drawn = {name: restored[name] for name in ("exploration_matrices", "torch_rng")}
    return training


def _require_savable_state(plan: TrainingSpec, model: BaseAlgorithm) -> None:
    """Refuse before training: if the card requires `exact`, every later session would be refused."""
    lost = [*lost_state(environment_of(model)), *lost_of_algorithm(model)]
    if lost and plan.resume_floor == EXACT:
        raise SessionRefused(f"the card requires exact resumes, but checkpoints cannot save: {'; '.join(lost)}")


def _latest_checkpoint(context: SessionContext, scenario: str) -> CheckpointCard | None:
    survey = survey_checkpoints(context.models_dir, scenario)
    for stem, fault in survey.faults.items():
        context.reporter.say(f"[CHECKPOINT] Not usable: {stem}: {fault}")
    promised = [entry.path for entry in context.ticket.inputs if entry.path.startswith(f"{CHECKPOINTS}/")]
    if survey.latest is None and (promised or survey.faults):
        # Never start over silently: the steps already trained would be lost.
        raise SessionRefused(f"no checkpoint in the models directory verifies: {survey.faults or promised}")
    if survey.latest is not None:
        _require_own_checkpoint(context, survey.latest, survey.faults)
    return survey.latest


def _require_own_checkpoint(context: SessionContext, card: CheckpointCard, damaged: Mapping[str, str]) -> None:
    """Check that a verified checkpoint belongs to this training: by the ticket, and by the ancestry of newer cards.

    Raises:
        SessionRefused: It is not in the ticket's inputs, or not in the ancestry of a newer, damaged checkpoint.
    """
    promised = {entry.sha256 for entry in context.ticket.inputs}
    if promised and not {entry.sha256 for entry in card.files} <= promised:
        raise SessionRefused(f"{card.stem} is not one of the checkpoints that this session was given")
    for stem in damaged:
        try:
            newer = read_card(context.models_dir / CHECKPOINTS / (stem + CARD_SUFFIX))
        except ValueError:
            continue  # an unreadable card has no ancestry to check
        of_this_run = newer.lineage_id == card.lineage_id and newer.steps > card.steps
        if of_this_run and card.digest not in {ancestor.digest for ancestor in newer.ancestry}:
            raise SessionRefused(f"{card.stem} is not in the ancestry of {stem}, which is damaged")


def resume_training(training: Training, card: CheckpointCard) -> Mapping[str, Any]:
    """Grade the resume, then load the checkpoint, whose files are already verified against its card.

    Returns:
        The restored state; empty if only the weights were loaded.

    Raises:
        SessionRefused: It must not be continued.
        CheckpointUnusable: It holds NaN or an infinity.
        ValueError: It contradicts its card, or does not fit.
    """
    context, model = training.context, training.model
    alone = context.models_dir if context.ticket.run_id == ALONE_RUN else None
    grade = grade_resume(card, training.identity(), floor=training.plan.resume_floor, folder=alone)
    context.reporter.say(f"[CHECKPOINT] Loading checkpoint {card.stem}{MODEL_SUFFIX} ({card.steps} steps)")
    for reason in grade.reasons:
        context.reporter.say(f"[CHECKPOINT] Resume is {grade.grade}: {reason}")
    if card.adopted is not None and not card.is_adopted_model:
        context.reporter.say(f"[CHECKPOINT] The training is {adopted_line(card.adopted)}")
    if grade.grade == WEIGHTS_ONLY:
        begin_from_weights(training, card, grade)
        return {}
    folder = context.models_dir / CHECKPOINTS
    state = read_state(folder / (card.stem + STATE_SUFFIX))
    content, sha256 = (folder / (card.stem + MODEL_SUFFIX)).read_bytes(), card.sha256_of(MODEL_SUFFIX)
    require_finite_checkpoint(model, card, state, read_parameters(content, sha256=sha256, device=model.device))
    load_weights(model, content, sha256=sha256)
    grade = _restore(training, card, state["training"], grade)
    began_at_steps = began_from_weights_at(card)
    if began_at_steps is not None:
        gather_anew_from(model, began_at_steps)
    record = TrainingHistory.from_trees(state["selection"], state["provenance"])
    _check_loaded(training, card)
    seam = check_seam(model, state.get("probe"), exact=grade.grade == EXACT)
    if seam is not None:
        grade = _lowered(training, grade, seam)
    if grade.grade == EXACT:
        grade = _check_complete(training, card, state["training"], grade)
    if card.steps not in record.seams:
        record.seams.append(card.steps)
    training.record = record
    training.parent = training.resumed_from = card
    training.grade = grade
    training.steps_start, training.updates_start = model.num_timesteps, model._n_updates
    place_best_model(training)
    restored: Mapping[str, Any] = state["training"]
    return restored


def _check_loaded(training: Training, card: CheckpointCard) -> None:
    """Check that the loaded steps and policy are those of the card."""
    if training.steps != card.steps:
        raise ValueError(f"{card.stem} holds a state after {training.steps} steps")
    found = policy_digest(training.model.policy)
    if found != card.identity.get("policy_digest"):
        raise ValueError(f"{card.stem} restored the policy {found[:12]}, its card states another one")


def _restore(training: Training, card: CheckpointCard, saved: Mapping[str, Any], grade: ResumeGrade) -> ResumeGrade:
    try:
        restore_state(training.model, saved)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as fault:
        if not training.may_be_incomplete:
            raise
        # Once more without the environment: a fault in another part is raised again.
        restore_state(training.model, {**saved, "environment": None})
        return _lowered(training, grade, f"environment: its state cannot be restored: {fault}")
    return grade


def _check_complete(
    training: Training, card: CheckpointCard, saved: Mapping[str, Any], grade: ResumeGrade
) -> ResumeGrade:
    """Capture the restored state again and compare: a part that was not restored makes the resume inexact.

    Raises:
        ValueError: A part differs.
    """
    found = capture_state(training.model)
    lost = [name for name in found if not same_state({name: found[name]}, {name: saved[name]})]
    if lost == ["environment"] and training.may_be_incomplete:
        begin_new_episodes(training.model)
        return _lowered(training, grade, "environment: its state was not completely restored")
    if lost:
        raise ValueError(f"{card.stem} was not completely restored: {', '.join(lost)} differ")
    return grade


def _lowered(training: Training, grade: ResumeGrade, reason: str) -> ResumeGrade:
    lower = grade.lowered(reason, floor=training.plan.resume_floor)
    training.context.reporter.say(f"[CHECKPOINT] Resume is {lower.grade}: {reason}")
    return lower
