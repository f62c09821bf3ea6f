"""A trained policy of the section, from the folder of its models, as a controller."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from orchestrator.kernel.checkpoint.normalization_file import normalization_path, read_normalization
from orchestrator.kernel.wire import BEST_MODEL, METADATA_NAME
from orchestrator.sb3.algorithms.classes import library_class
from orchestrator.sb3.algorithms.normalization import Normalization
from orchestrator.sb3.envs.discrete_to_box import as_choices
from validation_ch7.section_7_6_rl_performance.controllers.policy import PolicyController
from validation_ch7.traffic.env.senses import senses_of
from validation_ch7.traffic.env.settings import EnvironmentSettings


def load_policy(models: Path, name: str) -> tuple[PolicyController, dict[str, Any]]:
    """The best model of a training, and the `environment` block that it was trained with.

    Args:
        models: The folder `data/models` of a training of section 7.6.
        name: Name in tables.

    Raises:
        FileNotFoundError: The folder has no best model; the message has the command that trains one.
    """
    best = models / BEST_MODEL
    if not best.is_file():
        raise FileNotFoundError(f"there is no trained policy in {models}: train one with `make run`")
    identity = json.loads((models / METADATA_NAME).read_text(encoding="utf-8"))["identity"]
    torch.set_num_threads(1)
    model = library_class(identity["algorithm"]).load(best, device="cpu")
    normalization = _normalization(best)

    def predict(observations: npt.NDArray[np.float32]) -> npt.NDArray[np.integer[Any]]:
        seen = observations if normalization is None else normalization(observations)
        return as_choices(model.predict(seen, deterministic=True)[0], model.action_space)

    environment: dict[str, Any] = identity["environment"]
    settings = EnvironmentSettings.from_mapping(environment)
    return PolicyController(predict, settings.decision_s, name, senses_of(settings)), environment


def _normalization(best: Path) -> Normalization | None:
    if not normalization_path(best).exists():
        return None
    saved = read_normalization(best)
    if saved.obs_rms is None:
        return None
    return Normalization(
        mean=np.array(saved.obs_rms.mean),
        variance=np.array(saved.obs_rms.var),
        epsilon=saved.epsilon,
        clip=saved.clip_obs,
    )
