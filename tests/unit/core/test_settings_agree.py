"""The card is declared here and read there: both must know the same keys."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

from kernel_templates.kernel_runtime.digests import tree_digest
from orchestrator.core.requests import RunRequest
from orchestrator.core.settings import Crossing, DqnSettings
from orchestrator.core.specs import SessionSpec
from orchestrator.stores.configs import load_card
from validation_ch7.learning.plan import HyperParameters, SessionPlan
from validation_ch7.traffic.settings import EnvironmentSettings


def test_every_hyper_parameter_is_known_on_both_sides() -> None:
    assert {field.name for field in fields(DqnSettings)} == {field.name for field in fields(HyperParameters)}


def test_every_environment_key_of_the_card_reaches_the_crossing(project_root: Path) -> None:
    card = load_card(project_root / "configs/sections", "section_7_6")
    block = card.lineage.environment
    known = EnvironmentSettings.from_mapping(block).describe()
    assert {field.name for field in fields(Crossing)} <= set(known)
    assert {name: known[name] for name in block} == block


def test_a_whole_spec_is_used_or_refused_by_the_training(project_root: Path) -> None:
    card = load_card(project_root / "configs/sections", "section_7_6")
    for profile in card.profiles:
        sizes = RunRequest(card=card, profile=profile).sizes(0)
        spec = SessionSpec(card=card, profile=profile, sizes=sizes, backend="local")
        plan = SessionPlan.from_json(json.loads(json.dumps(spec.to_json())))
        assert plan.target_steps == sizes.target_steps
        assert set(spec.to_json()) == {field.name for field in fields(SessionPlan)}


def test_the_digest_of_a_tree_is_of_names_and_bytes() -> None:
    assert tree_digest({"a": b"bc"}) != tree_digest({"ab": b"c"})
    assert tree_digest({"a": b"1", "b": b"2"}) == tree_digest({"b": b"2", "a": b"1"})
