"""Sizes that only exhaust memory are refused, with the limit named, wherever they are written."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.core.errors import BadInput
from orchestrator.core.run.request import RunRequest
from orchestrator.core.section.card import Profile
from orchestrator.core.section.size_limits import LIMITS, MOST_WHOLE, size_faults
from orchestrator.kernel.algorithms.hyperparameters import KINDS
from orchestrator.stores.section.card_yaml import load_card, parse_card, read_settings


def faults(plain: Any) -> list[str]:
    return [f"{'.'.join(map(str, place))}: {text}" for place, text in size_faults(plain)]


def test_the_shipped_card_is_within_all_limits(project_root: Path) -> None:
    text = (project_root / "configs/sections/section_7_6.yaml").read_text(encoding="utf-8")
    assert faults(yaml.safe_load(text)) == []


def test_each_limit_is_of_a_key_that_a_card_has() -> None:
    known = {one.name for kind in (Profile, *KINDS.values()) for one in fields(kind)}
    assert set(LIMITS) <= known


@pytest.mark.parametrize("name", sorted(LIMITS))
def test_a_limit_holds_at_any_depth_and_is_named(name: str) -> None:
    limit = LIMITS[name]
    assert faults({name: limit}) == []
    (line,) = faults({"block": [{name: limit + 1}]})
    assert line == f"block.0.{name}: must not exceed {limit}, not {limit + 1}"


@pytest.mark.parametrize(
    ("plain", "expected"),
    [
        ({"network": [64] * 65}, "at most 64 layers"),
        ({"network": [65_537]}, "at most 65536 units"),
        ({"network": [65_536, 65_536]}, "at most 1000000000 weights"),
        ({"anything": MOST_WHOLE + 1}, f"must not exceed {MOST_WHOLE}"),
        ({"anything": -(10**200)}, "not a number of 201 digits"),
        ({"anything": [0] * 10_001}, "at most 10000 values"),
        ({"n_envs": 60_000, "n_steps": 60_000}, "n_envs * n_steps must not exceed 100000000"),
    ],
)
def test_other_sizes_are_bounded(plain: Any, expected: str) -> None:
    (line,) = faults(plain)
    assert expected in line


@pytest.mark.parametrize(
    "plain", [None, "text", 1.5, True, {"network": "wide"}, {"n_envs": "many"}, {"network": [1.5]}]
)
def test_wrong_types_are_left_to_the_schema(plain: Any) -> None:
    assert faults(plain) == []


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("algorithms.DQN.n_envs=1000000000", "algorithms.DQN.n_envs: must not exceed 65536, not 1000000000"),
        ("algorithms.DQN.buffer_size=1000000000000", "buffer_size: must not exceed 100000000"),
        ("network=[100000, 100000]", "network: a layer has at most 65536 units, not 100000"),
    ],
)
def test_set_is_refused_before_anything_is_sent(project_root: Path, setting: str, expected: str) -> None:
    with pytest.raises(BadInput, match=r"must not exceed|at most") as refused:
        load_card(project_root / "configs/sections", "section_7_6", read_settings([setting]))
    assert expected in str(refused.value)


def test_a_card_names_the_line(project_root: Path) -> None:
    text = (project_root / "configs/sections/section_7_6.yaml").read_text(encoding="utf-8")
    with pytest.raises(BadInput) as refused:
        parse_card(text.replace("buffer_size: 100000 ", "buffer_size: 100000000000 ", 1), "section_7_6.yaml")
    assert "section_7_6.yaml, line 21: algorithms.DQN.buffer_size: must not exceed 100000000" in str(refused.value)


def test_a_sum_above_the_most_steps_is_refused(project_root: Path) -> None:
    card = load_card(project_root / "configs/sections", "section_7_6")
    request = RunRequest(card=card, profile="quick", add_steps=MOST_WHOLE)
    with pytest.raises(BadInput, match="gives a target above 9007199254740992: 10 steps are done"):
        request.sizes(10)
