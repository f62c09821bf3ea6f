"""`training_metadata.json`: a summary of the training for people and for tools that load no model."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm

from orchestrator.kernel.files.atomic import write_json
from orchestrator.kernel.reading.json_text import read_object
from orchestrator.kernel.wire import METADATA_NAME, MODEL_SUFFIX
from orchestrator.sb3.training.training_state import Training

METADATA_SCHEMA = 1
KEPT = "kept"
"""Key of what a section keeps; see `Training.kept`."""


def write_metadata(training: Training) -> None:
    """Write the current metadata atomically."""
    write_json(training.context.models_dir / METADATA_NAME, training_metadata(training))


def training_metadata(training: Training) -> dict[str, Any]:
    """The metadata as plain JSON; fields without a value are null."""
    context, plan, model, identity = training.context, training.plan, training.model, training.identity()
    latest, best = training.parent, training.record.best
    return {
        "schema": METADATA_SCHEMA,
        "scenario_name": plan.scenario,
        "timestamp": context.now().isoformat(),
        "section": plan.section,
        "profile": plan.profile,
        "algorithm": identity["algorithm"],
        "total_timesteps": plan.target_steps,
        "total_timesteps_completed": training.steps,
        "mean_reward": mean_episode_reward(model),
        "observation_space_shape": list(model.observation_space.shape or ()),
        "action_space_shape": list(model.action_space.shape or ()),
        "policy_architecture": list(identity["network"]),
        "latest_checkpoint": latest and latest.stem + MODEL_SUFFIX,
        "latest_checkpoint_digest": latest and latest.digest,
        "best_model": best and best.in_short(),
        "identity": identity,
        "stamp": context.ticket.stamp(),
        "sessions_seams": list(training.record.seams),
        **({KEPT: training.kept} if training.kept else {}),
    }


def kept_results(models_dir: Path) -> dict[str, Any]:
    """Results that an earlier session kept in the metadata; empty if there are none, or if it cannot be read."""
    try:
        kept = read_object(models_dir / METADATA_NAME).get(KEPT)
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def mean_episode_reward(model: BaseAlgorithm) -> float | None:
    """Mean return of the newest finished training episodes; None before the first, or if it is not finite.

    JSON has no NaN: a progress report must not fail on it, since the next save names the part that is not finite.
    """
    return _mean(model, "r")


def mean_episode_length(model: BaseAlgorithm) -> float | None:
    """Mean number of steps of the newest finished training episodes; None before the first."""
    return _mean(model, "l")


def _mean(model: BaseAlgorithm, name: str) -> float | None:
    episodes = model.ep_info_buffer
    if not episodes:
        return None
    mean = sum(float(episode[name]) for episode in episodes) / len(episodes)
    return mean if math.isfinite(mean) else None
