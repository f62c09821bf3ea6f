"""Small studies, and best models as section 7.6 leaves them, made without a training."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from tiny_world import HYPER_PARAMETERS, ticket, tiny_spec

from orchestrator.kernel.algorithms.hyperparameters import read_hyper_parameters
from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.files.atomic import write_bytes, write_json
from orchestrator.kernel.files.digests import file_entry
from orchestrator.kernel.schema import read
from orchestrator.kernel.wire import BEST_MODEL, BEST_MODEL_CARD
from orchestrator.sb3.state.policy_digest import policy_digest
from orchestrator.sb3.state.sb3_zip import loadable_files
from orchestrator.sb3.training.factory import build_model
from orchestrator.sb3.training.training_spec import Lineage
from validation_ch7.section_7_6_rl_performance.evaluation.task import traffic_world
from validation_ch7.section_7_7_robustness.conditions.family import Condition
from validation_ch7.section_7_7_robustness.estimates import Row
from validation_ch7.section_7_7_robustness.evaluation.hours import Hours
from validation_ch7.section_7_7_robustness.schema import Schema

CARD = Path(__file__).parents[4] / "configs/sections/section_7_7.yaml"
POLICY_CARD = CARD.with_name("section_7_6.yaml")


@functools.cache
def own_keys() -> Schema:
    plain = yaml.safe_load(CARD.read_text(encoding="utf-8"))
    return read(Schema, {name: plain[name] for name in ("environment", "study", "criteria")}, place="")


def environment(**changes: float) -> dict[str, float]:
    return {**dataclasses.asdict(own_keys().environment), **changes}


def make_best_model(models_dir: Path, algorithm: str = "PPO", seed: int = 0, **changes: float) -> str:
    """An untrained policy in the files of a best model; returns its digest."""
    plain = yaml.safe_load(POLICY_CARD.read_text(encoding="utf-8"))["environment"]
    lineage = Lineage(
        section="section_7_6",
        environment={**plain, **changes},
        algorithm=algorithm,
        network=(8, 8),
        hyper_parameters=read_hyper_parameters(algorithm, HYPER_PARAMETERS[algorithm]),
        seed=seed,
    )
    model = build_model(lineage, traffic_world().build_env(lineage), device="cpu")
    digest = policy_digest(model.policy)
    paths = []
    for suffix, content in loadable_files(model).items():
        paths.append((models_dir / BEST_MODEL).with_name(BEST_MODEL.stem + suffix))
        write_bytes(paths[-1], content)
    identity: dict[str, Any] = {
        "section": lineage.section,
        "environment": dict(lineage.environment),
        "algorithm": algorithm,
        "network": [8, 8],
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
        stamp=ticket(tiny_spec()).stamp(),
        saved_at="2026-11-30T10:00:00+00:00",
    )
    write_json(models_dir / BEST_MODEL_CARD, card.to_json())
    return digest


def hours(delays_s: list[float] | np.ndarray) -> Hours:
    """Hours with these delays and nothing unusual."""
    delays = np.asarray(delays_s, dtype=np.float64)
    same = np.ones_like(delays)
    return Hours(
        arrived_veh=1000.0 * same,
        delay_s_per_veh=delays,
        worst_approach_s_per_veh=1.3 * delays,
        throughput=0.98 * same,
        n_switches=100.0 * same,
        n_forced_switches=0.0 * same,
    )


def bare_row(condition: Condition, controller: str, **changes: Any) -> Row:
    """A row without numbers, for figures and tables."""
    values: dict[str, Any] = {
        "n_policies": int(controller.startswith("rl")),
        "n_hours": 12,
        "delay_s": None,
        "ratio": None,
        "largest_hour_ratio": None,
        "hardest_ratio": None,
        "better": None,
        "worst_approach_s": 30.0,
        "throughput": 0.98,
        "n_forced_switches": 0.0,
    }
    return Row(condition=condition, controller=controller, **{**values, **changes})
