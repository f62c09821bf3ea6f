"""Best models as section 7.6 leaves them, made without a training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from orchestrator.kernel.algorithms.hyperparameters import read_hyper_parameters
from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.files.atomic import write_bytes, write_json
from orchestrator.kernel.files.digests import file_entry
from orchestrator.kernel.wire import BEST_MODEL, BEST_MODEL_CARD
from orchestrator.sb3.state.policy_digest import policy_digest
from orchestrator.sb3.state.sb3_zip import loadable_files
from orchestrator.sb3.training.factory import build_model
from orchestrator.sb3.training.training_spec import Lineage
from tests.conftest import PROJECT_ROOT
from validation_ch7.section_7_6_rl_performance.evaluation.task import traffic_world

CARD = PROJECT_ROOT / "configs/sections/section_7_6.yaml"
_COMMON = {"n_envs": 2, "learning_rate": 1.0e-3, "gamma": 0.97, "selection_scenarios": 2}
_REPLAY = {**_COMMON, "batch_size": 8, "buffer_size": 100, "learning_starts": 10, "gradient_steps": 1, "train_freq": 1}
HYPER_PARAMETERS: dict[str, dict[str, Any]] = {
    "PPO": {**_COMMON, "n_steps": 4, "batch_size": 8, "n_epochs": 1},
    "A2C": {**_COMMON, "n_steps": 4, "normalize": {"observations": True, "rewards": True}},
    "DQN": {
        **_REPLAY,
        "target_update_interval": 10,
        "exploration": {"start": 1.0, "end": 0.1, "over_steps": 100},
    },
    "SAC": {**_REPLAY, "tau": 0.01, "ent_coef": "auto_0.1"},
}


def card_environment() -> dict[str, float]:
    """The crossing of section 7.6."""
    found: dict[str, float] = yaml.safe_load(CARD.read_text(encoding="utf-8"))["environment"]
    return found


def make_best_model(models_dir: Path, algorithm: str = "PPO", seed: int = 0, **changes: float) -> str:
    """Write an untrained policy in the files of a best model.

    Args:
        models_dir: The models directory.
        algorithm: A key of `HYPER_PARAMETERS`.
        seed: Of its weights.
        changes: Other values of the crossing.

    Returns:
        Its digest.
    """
    lineage = Lineage(
        section="section_7_6",
        environment={**card_environment(), **changes},
        algorithm=algorithm,
        network=(8, 8),
        hyper_parameters=read_hyper_parameters(algorithm, HYPER_PARAMETERS[algorithm]),
        seed=seed,
    )
    model = build_model(lineage, traffic_world().build_env(lineage), device="cpu")
    paths = []
    for suffix, content in loadable_files(model).items():
        paths.append((models_dir / BEST_MODEL).with_name(BEST_MODEL.stem + suffix))
        write_bytes(paths[-1], content)
    digest = policy_digest(model.policy)
    identity: dict[str, Any] = {
        "section": lineage.section,
        "environment": dict(lineage.environment),
        "algorithm": algorithm,
        "network": list(lineage.network),
        "hyper_parameters": HYPER_PARAMETERS[algorithm],
        "seed": seed,
        "policy_digest": digest,
        "score": -20.0,
    }
    card = CheckpointCard(
        stem=BEST_MODEL.stem,
        scenario="traffic_light_control",
        steps=100,
        files=tuple(file_entry(path, path.parent) for path in paths),
        identity=identity,
        stamp={"run_id": "made", "session": 1, "nonce": "made", "lineage_id": "0" * 64},
        saved_at="2026-11-30T10:00:00+00:00",
    )
    write_json(models_dir / BEST_MODEL_CARD, card.to_json())
    return digest
