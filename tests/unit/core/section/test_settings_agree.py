"""The card is declared in `core` and read in the session: both must know the same keys."""

from __future__ import annotations

import json
from dataclasses import fields
from itertools import product
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from orchestrator.core.run.request import RunRequest
from orchestrator.core.section.environment import ARRIVAL_BIN_S, FREE_SPEED_M_S, LINK_LENGTH_M, Crossing
from orchestrator.core.section.hyperparameters import ActionNoiseSettings, Algorithms, LinearSchedule, NormalizeSettings
from orchestrator.core.session.spec import SessionSpec
from orchestrator.kernel.files.digests import tree_digest
from orchestrator.sb3.algorithms.action_noise import NoisePlan
from orchestrator.sb3.algorithms.hyperparameters import KINDS
from orchestrator.sb3.algorithms.normalization import NormalizePlan
from orchestrator.sb3.algorithms.schedules import LinearPlan
from orchestrator.sb3.training.training_spec import TrainingSpec
from orchestrator.stores.section.card_yaml import load_card
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.model import demand
from validation_ch7.traffic.parameters import TrafficParameters


def test_every_hyper_parameter_is_known_on_both_sides() -> None:
    for name in KINDS:
        declared = get_type_hints(Algorithms)[name]
        settings = next(kind for kind in get_args(declared) if kind is not type(None))
        assert {field.name for field in fields(settings)} == {field.name for field in fields(KINDS[name])}
    assert set(get_type_hints(Algorithms)) - {"__pydantic_config__"} == set(KINDS)
    blocks = ((LinearSchedule, LinearPlan), (NormalizeSettings, NormalizePlan), (ActionNoiseSettings, NoisePlan))
    for in_core, in_session in blocks:
        assert {field.name for field in fields(in_core)} == {field.name for field in fields(in_session)}


def test_every_environment_key_of_the_card_reaches_the_crossing(project_root: Path) -> None:
    card = load_card(project_root / "configs/sections", "section_7_6")
    block = card.lineage.environment
    known = EnvironmentSettings.from_mapping(block).describe()
    assert {field.name for field in fields(Crossing)} <= set(known)
    assert {name: known[name] for name in block} == block


def test_the_training_spec_has_exactly_the_keys_of_the_session_spec(project_root: Path) -> None:
    card = load_card(project_root / "configs/sections", "section_7_6")
    for algorithm, profile in product(card.algorithms.names, card.profiles):
        card = card.chosen(algorithm=algorithm)
        sizes = RunRequest(card=card, profile=profile).sizes(0)
        spec = SessionSpec(card=card, profile=profile, sizes=sizes, backend="local")
        plan = TrainingSpec.from_json(json.loads(json.dumps(spec.to_json())))
        assert plan.target_steps == sizes.target_steps and plan.lineage.algorithm == algorithm
        assert set(spec.to_json()) == {field.name for field in fields(TrainingSpec)}


def test_the_tree_digest_covers_names_and_bytes() -> None:
    assert tree_digest({"a": b"bc"}) != tree_digest({"ab": b"c"})
    assert tree_digest({"a": b"1", "b": b"2"}) == tree_digest({"b": b"2", "a": b"1"})


BAD_CROSSINGS = [
    {"dt_s": 5.0},
    {"dt_s": 0.0},
    {"dt_s": 0.3},
    {"dx_m": 7.0},
    {"dx_m": -10.0},
    {"decision_s": 10.2},
    {"episode_s": 3605.0},
    {"min_green_s": 130.0},
    {"min_green_s": 0.0},
    {"max_green_s": float("inf")},
    {"yellow_s": 0.0},
    {"all_red_s": -1.0},
    {"yellow_used_s": 3.5},
    {"start_up_lost_s": 6.0},
]


def _key_of(change: dict[str, float]) -> str:
    """The key that the message must name, without `_s`: the traffic model counts some times in steps."""
    return next(iter(change)).removesuffix("_s")


@pytest.mark.parametrize("change", BAD_CROSSINGS, ids=str)
def test_values_the_traffic_model_refuses_are_refused_by_the_card_too(
    change: dict[str, float], project_root: Path
) -> None:
    block = load_card(project_root / "configs/sections", "section_7_6").lineage.environment
    with pytest.raises(ValueError, match=_key_of(change)):
        EnvironmentSettings.from_mapping({**block, **change})
    with pytest.raises(ValueError, match=_key_of(change)):
        Crossing(**{**block, **change})


def test_the_models_constants_are_the_same_in_core_and_in_the_model() -> None:
    traffic = TrafficParameters()
    assert (traffic.vf_m_s, traffic.link_length_m) == (FREE_SPEED_M_S, LINK_LENGTH_M)
    assert ARRIVAL_BIN_S == demand.ARRIVAL_BIN_S
