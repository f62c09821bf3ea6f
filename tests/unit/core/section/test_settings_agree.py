"""The card is declared in `core` and read in the session: both must know the same keys."""

from __future__ import annotations

import json
from dataclasses import fields
from itertools import product
from pathlib import Path
from typing import get_args, get_type_hints

from orchestrator.core.run.request import RunRequest
from orchestrator.core.section.hyperparameters import ActionNoiseSettings, Algorithms, LinearSchedule, NormalizeSettings
from orchestrator.core.session.spec import SessionSpec
from orchestrator.kernel.files.digests import tree_digest
from orchestrator.sb3.algorithms.action_noise import NoisePlan
from orchestrator.sb3.algorithms.hyperparameters import KINDS
from orchestrator.sb3.algorithms.normalization import NormalizePlan
from orchestrator.sb3.algorithms.schedules import LinearPlan
from orchestrator.sb3.training.training_spec import TrainingSpec
from orchestrator.stores.section.card_yaml import load_card
from validation_ch7.section_7_6_rl_performance.schema import Schema


def test_every_hyper_parameter_is_known_on_both_sides() -> None:
    for name in KINDS:
        declared = get_type_hints(Algorithms)[name]
        settings = next(kind for kind in get_args(declared) if kind is not type(None))
        assert {field.name for field in fields(settings)} == {field.name for field in fields(KINDS[name])}
    assert set(get_type_hints(Algorithms)) - {"__pydantic_config__"} == set(KINDS)
    blocks = ((LinearSchedule, LinearPlan), (NormalizeSettings, NormalizePlan), (ActionNoiseSettings, NoisePlan))
    for in_core, in_session in blocks:
        assert {field.name for field in fields(in_core)} == {field.name for field in fields(in_session)}


def test_the_training_spec_has_exactly_the_keys_of_the_session_spec(project_root: Path) -> None:
    card = load_card(project_root / "configs/sections", "section_7_6")
    for algorithm, profile in product(card.algorithms.names, card.profiles):
        card = card.chosen(algorithm=algorithm)
        sizes = RunRequest(card=card, profile=profile).sizes(0)
        spec = SessionSpec(card=card, profile=profile, sizes=sizes, backend="local")
        plan = TrainingSpec.from_json(json.loads(json.dumps(spec.to_json())), Schema)
        assert plan.target_steps == sizes.target_steps and plan.lineage.algorithm == algorithm
        assert set(spec.to_json()) == {field.name for field in fields(TrainingSpec)}


def test_the_tree_digest_covers_names_and_bytes() -> None:
    assert tree_digest({"a": b"bc"}) != tree_digest({"ab": b"c"})
    assert tree_digest({"a": b"1", "b": b"2"}) == tree_digest({"b": b"2", "a": b"1"})
