"""`training_metadata.json`: a summary of the training for people and for tools that load no model."""

from __future__ import annotations

import math
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm

from orchestrator.kernel.files.atomic import write_json
from orchestrator.kernel.wire import METADATA_NAME, MODEL_SUFFIX
from orchestrator.sb3.state.identity import current_identity
from orchestrator.sb3.training.training_state import TrainingState

METADATA_SCHEMA = 1


def write_metadata(training: TrainingState) -> None:
    """Write the current metadata atomically."""
    write_json(training.context.models_dir / METADATA_NAME, training_metadata(training))


def training_metadata(training: TrainingState) -> dict[str, Any]:
    """The metadata as plain JSON; fields without a value are null."""
    context, plan, model = training.context, training.plan, training.model
    latest, best = training.parent, training.record.best
    return {
        "schema": METADATA_SCHEMA,
        "scenario_name": plan.scenario,
        "timestamp": context.now().isoformat(),
        "section": plan.section,
        "profile": plan.profile,
        "algorithm": plan.lineage.algorithm,
        "total_timesteps": plan.target_steps,
        "total_timesteps_completed": training.steps,
        "mean_reward": mean_episode_reward(model),
        "observation_space_shape": list(model.observation_space.shape or ()),
        "action_space_shape": list(model.action_space.shape or ()),
        "policy_architecture": list(plan.lineage.network),
        "latest_checkpoint": latest and latest.stem + MODEL_SUFFIX,
        "latest_checkpoint_digest": latest and latest.digest,
        "best_model": best and best.in_short(),
        "identity": current_identity(context.ticket, model),
        "stamp": context.ticket.stamp(),
        "sessions_seams": list(training.record.seams),
    }


def mean_episode_reward(model: BaseAlgorithm) -> float | None:
    """Mean return of the newest finished training episodes; None before the first, or if it is not finite.

    JSON has no NaN: a progress report must not fail on it, since the next save names the part that is not finite.
    """
    episodes = model.ep_info_buffer
    if not episodes:
        return None
    mean = sum(float(episode["r"]) for episode in episodes) / len(episodes)
    return mean if math.isfinite(mean) else None
