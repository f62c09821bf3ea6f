"""Hyper-parameters are declared once: the card and the session use the same classes, and lineage ids stay."""

from __future__ import annotations

import json
from dataclasses import fields
from itertools import product
from pathlib import Path
from typing import Any, get_args

import pytest

from orchestrator.core.errors import BadInput
from orchestrator.core.run.request import RunRequest
from orchestrator.core.session.spec import SessionSpec
from orchestrator.kernel.algorithms.hyperparameters import KINDS, AlgorithmName, read_hyper_parameters
from orchestrator.sb3.training.training_spec import TrainingSpec
from orchestrator.stores.section.card_yaml import load_card
from validation_ch7.section_7_6_rl_performance.schema import Schema

LINEAGE_IDS = {
    "DQN": "1d718dcf021f26aea13e52d3d9ad2863a86a4e712c0690c36bde2794700a7c5a",
    "QRDQN": "47d6587e59bc52206bb5cbf24b8b770df0b7c09b01777b8326a13d2c95dda65d",
    "PPO": "ea3fa2a7ca89525c854f88b3e2c398dd97e7f9325abd3375c5f9babdcffdb3e6",
    "A2C": "910c930c84cf4c931de94cde52c0684859c5aa69472a80388bea9945c50c5a60",
    "SAC": "81a5abb6e2e8f49084691dd1ec1f7b50a3a35fcb95d9a729895b9d683d6212c9",
    "TD3": "a2117a5a3d5d8fce89cc8e3250bb45ee0555805dc91e5f145d553ad879978087",
}
"""Of the shipped card. A changed id separates users' checkpoints from their training."""


def test_the_lineage_ids_of_the_shipped_card_stay(project_root: Path) -> None:
    card = load_card(project_root / "configs/sections", "section_7_6")
    assert {name: card.chosen(algorithm=name).lineage.id for name in card.algorithms.names} == LINEAGE_IDS


def test_every_algorithm_has_a_name_that_a_card_may_give() -> None:
    assert tuple(KINDS) == get_args(AlgorithmName)


def test_the_session_reads_the_spec_of_a_card_into_the_same_values(project_root: Path) -> None:
    card = load_card(project_root / "configs/sections", "section_7_6")
    for algorithm, profile in product(card.algorithms.names, card.profiles):
        card = card.chosen(algorithm=algorithm)
        sizes = RunRequest(card=card, profile=profile).sizes(0)
        spec = json.loads(json.dumps(SessionSpec(card=card, profile=profile, sizes=sizes, backend="local").to_json()))
        plan = TrainingSpec.from_json(spec, Schema)
        assert plan.target_steps == sizes.target_steps and plan.lineage.algorithm == algorithm
        assert plan.lineage.hyper_parameters == card.hyper_parameters
        assert type(plan.lineage.hyper_parameters) is type(card.hyper_parameters)
        assert set(spec) == {field.name for field in fields(TrainingSpec)}


POSITIVE, NOT_NEGATIVE = "must be above 0 and finite, not", "must not be negative, and must be finite, not"
WRONG: list[tuple[str, dict[str, Any], list[str]]] = [
    (
        "PPO",
        {"gamma": 1.5, "n_steps": 0, "ent_coef": -1.0, "clip_range": float("inf")},
        [
            "gamma must lie in (0, 1], not 1.5",
            f"n_steps {POSITIVE} 0",
            f"ent_coef {NOT_NEGATIVE} -1.0",
            f"clip_range {POSITIVE} inf",
        ],
    ),
    (
        "DQN",
        {"learning_starts": -1, "target_update_interval": -1},
        [f"learning_starts {NOT_NEGATIVE} -1", f"target_update_interval {NOT_NEGATIVE} -1"],
    ),
    ("SAC", {"ent_coef": "auto_0"}, ["ent_coef must be auto, auto_ and its start value, or a number, not auto_0"]),
    ("A2C", {"ent_coef": float("nan")}, [f"ent_coef {NOT_NEGATIVE} nan"]),
    (
        "TD3",
        {"action_noise": {"kind": "normal", "sigma": 0.0, "dt": 1.0}},
        [f"sigma {POSITIVE} 0.0", "dt is required for ornstein_uhlenbeck, and not allowed for normal"],
    ),
    (
        "DQN",
        {"exploration": {"start": 1.5, "end": 0.0, "over_steps": 0}},
        [f"over_steps {POSITIVE} 0", "start must lie in [0, 1], not 1.5"],
    ),
]


@pytest.mark.parametrize(("algorithm", "changes", "messages"), WRONG)
def test_all_values_that_are_not_allowed_are_named_on_both_sides(
    project_root: Path, algorithm: str, changes: dict[str, Any], messages: list[str]
) -> None:
    folder = project_root / "configs/sections"
    card = load_card(folder, "section_7_6").chosen(algorithm=algorithm)
    block = f"algorithms.{algorithm}"
    settings = {f"{block}.{name}{key}": one for name, value in changes.items() for key, one in _leaves(value)}
    with pytest.raises(BadInput) as here:
        load_card(folder, "section_7_6", settings)
    if "action_noise" in changes:  # a single key cannot remove `theta`
        messages = [message for message in messages if "sigma" in message]
    plain = {**card.lineage.to_json()["hyper_parameters"], **changes}
    with pytest.raises(ValueError, match="hyper_parameters") as in_session:
        read_hyper_parameters(algorithm, plain)
    for message in messages:
        assert message in str(here.value)
        assert message in str(in_session.value)


def _leaves(value: Any) -> list[tuple[str, Any]]:
    return [(f".{key}", one) for key, one in value.items()] if isinstance(value, dict) else [("", value)]


def test_a_value_of_the_wrong_type_is_refused_in_the_session(project_root: Path) -> None:
    card = load_card(project_root / "configs/sections", "section_7_6")
    for change in ({"gamma": "0.9"}, {"n_envs": 2.5}, {"learning_rate": [0.1]}, {"n_envs": True}):
        with pytest.raises(ValueError, match=rf"hyper_parameters\.{next(iter(change))}"):
            read_hyper_parameters("DQN", {**card.lineage.to_json()["hyper_parameters"], **change})
