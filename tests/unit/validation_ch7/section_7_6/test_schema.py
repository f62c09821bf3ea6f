"""The section's own keys: read here from its schema, used in the session as they are."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.errors import BadInput
from orchestrator.core.run.request import RunRequest
from orchestrator.core.section.card import SectionCard
from orchestrator.core.session.spec import SessionSpec
from orchestrator.kernel.schema import own_values, read
from orchestrator.stores.section.card_yaml import load_card
from validation_ch7.section_7_6_rl_performance.schema import (
    ARRIVAL_BIN_S,
    FREE_SPEED_M_S,
    LINK_LENGTH_M,
    Criteria,
    Crossing,
    Schema,
)
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.model import demand
from validation_ch7.traffic.parameters import TrafficParameters


def card_of(project_root: Path) -> SectionCard:
    return load_card(project_root / "configs/sections", "section_7_6")


def spec_of(card: SectionCard) -> dict[str, Any]:
    sizes = RunRequest(card=card, profile="quick").sizes(0)
    plain: dict[str, Any] = json.loads(
        json.dumps(SessionSpec(card=card, profile="quick", sizes=sizes, backend="local").to_json())
    )
    return plain


def test_the_session_reads_the_cards_own_values_with_the_same_schema(project_root: Path) -> None:
    card = card_of(project_root)
    assert asdict(own_values(Schema, spec_of(card))) == asdict(card.own)


@pytest.mark.parametrize(
    ("place", "change"),
    [
        ("lineage", {"enviroment": {}}),
        ("lineage", {"environment": {}}),
        ("lineage", {"environment": None}),
        ("criteria", {"baseline": "rl"}),
        ("criteria", {"baseline": None}),
    ],
)
def test_the_session_refuses_wrong_own_values(project_root: Path, place: str, change: dict[str, Any]) -> None:
    spec = spec_of(card_of(project_root))
    spec[place] |= change
    with pytest.raises(ValueError, match=next(iter(change))):
        own_values(Schema, spec)


def test_verify_trains_with_short_episodes(project_root: Path) -> None:
    short = card_of(project_root).own.shortened()
    assert short.environment.episode_s == 600.0 and short.criteria == card_of(project_root).own.criteria


def test_every_environment_key_of_the_card_reaches_the_crossing(project_root: Path) -> None:
    block = card_of(project_root).lineage.environment
    known = EnvironmentSettings.from_mapping(block).describe()
    assert {field.name for field in fields(Crossing)} - {"learning"} <= set(known)
    assert {name: known[name] for name in block} == block


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
    block = card_of(project_root).lineage.environment
    with pytest.raises(ValueError, match=_key_of(change)):
        EnvironmentSettings.from_mapping({**block, **change})
    with pytest.raises(ValueError, match=_key_of(change)):
        Crossing(**{**block, **change})
    with pytest.raises(BadInput, match=_key_of(change)):
        load_card(project_root / "configs/sections", "section_7_6", {f"environment.{k}": v for k, v in change.items()})


def test_all_values_that_do_not_fit_are_named_at_once(project_root: Path) -> None:
    changes = {"environment.dt_s": 1.5, "environment.min_green_s": 150.0, "environment.yellow_used_s": 6.0}
    changes |= {"criteria.min_trainings": 0, "criteria.min_delay_reduction_pct": 100.0}
    with pytest.raises(BadInput) as fault:
        load_card(project_root / "configs/sections", "section_7_6", changes)
    for words in (
        "dt_s must not exceed dx_m",
        "decision_s must be a multiple of dt_s",
        "min_green_s must not exceed max_green_s, but 150.0 > 120.0",
        "yellow_used_s must not exceed yellow_s, but 6.0 > 3.0",
        "min_trainings must be above 0, not 0",
        "min_delay_reduction_pct must lie in [0, 100), not 100.0",
    ):
        assert words in str(fault.value), words


def test_the_criteria_of_the_tail_are_optional_and_absent_from_the_spec_if_left_out(project_root: Path) -> None:
    """So the question of an older card, and its digest, stay what they were."""
    card = card_of(project_root)
    tail = {"max_delay_ratio", "min_hardest_reduction_pct", "min_worst_approach_reduction_pct", "min_better_pct"}
    assert tail < set(card.criteria_values)  # the shipped card states them
    older = {name: value for name, value in card.criteria_values.items() if name not in tail | {"hardest_pct"}}
    read_again = replace(card, criteria=read(Criteria, older, place="criteria"))
    assert read_again.criteria_values == older == spec_of(read_again)["criteria"]
    assert set(older) == {"baseline", "min_delay_reduction_pct", "min_trainings"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_delay_ratio": 0.0}, "max_delay_ratio must be above 0 and finite, not 0.0"),
        ({"max_delay_ratio": float("nan")}, "max_delay_ratio must be above 0 and finite, not nan"),
        ({"max_delay_ratio": True}, "max_delay_ratio"),
        ({"max_delay_ratio": "1.5"}, "max_delay_ratio"),
        ({"min_hardest_reduction_pct": 100.0}, "min_hardest_reduction_pct must lie in [-100, 100), not 100.0"),
        ({"min_worst_approach_reduction_pct": -101.0}, "min_worst_approach_reduction_pct must lie in [-100, 100)"),
        ({"min_better_pct": 100.5}, "min_better_pct must lie in [0, 100], not 100.5"),
        ({"min_better_pct": [95.0]}, "min_better_pct"),
        ({"hardest_pct": 0.0, "min_hardest_reduction_pct": 0.0}, "hardest_pct must lie in (0, 100], not 0.0"),
        ({"hardest_pct": 5.0}, "hardest_pct has no effect without min_hardest_reduction_pct"),
        ({"max_ratio": 1.5}, "unknown key criteria.max_ratio"),
    ],
    ids=str,
)
def test_wrong_criteria_of_the_tail_are_refused(changes: dict[str, Any], message: str) -> None:
    block = {"baseline": "actuated", "min_delay_reduction_pct": 3.0, "min_trainings": 10, **changes}
    with pytest.raises(ValueError, match=re.escape(message)):
        read(Criteria, block, place="criteria")


def test_the_models_constants_are_the_same_in_the_schema_and_in_the_model() -> None:
    traffic = TrafficParameters()
    assert (traffic.vf_m_s, traffic.link_length_m) == (FREE_SPEED_M_S, LINK_LENGTH_M)
    assert ARRIVAL_BIN_S == demand.ARRIVAL_BIN_S


def test_the_block_learning_can_be_left_out_and_set_key_by_key(project_root: Path) -> None:
    folder = project_root / "configs/sections"
    plain = load_card(folder, "section_7_6")
    assert "learning" not in plain.lineage.environment
    changes = {"environment.learning.observation": "profile", "environment.learning.look_ahead.horizon_s": 90.0}
    learning = load_card(folder, "section_7_6", changes).lineage.environment["learning"]
    assert learning["observation"] == "profile" and "demand" not in learning
    assert learning["look_ahead"]["horizon_s"] == 90.0 and learning["look_ahead"]["gap_s"] == 1.5


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("environment.learning.observation", "profil"),
        ("environment.learning.observe", "profile"),
        ("environment.learning.demand.peak_veh_h", [700.0, 300.0]),
        ("environment.learning.demand.peak_veh_h", [300.0]),
        ("environment.learning.look_ahead.delays_s", [3.0, 6.0]),
        ("environment.learning.look_ahead.delays_s", [0.0]),
        ("environment.learning.look_ahead.horizon_s", 0.0),
        ("environment.learning.look_ahead.backlog_weight", -1.0),
        ("environment.learning.look_ahead.fairness_weight", -1.0),
        ("environment.learning.look_ahead.unit_veh_s", 0.0),
        ("environment.learning.look_ahead.every", 0),
    ],
)
def test_wrong_values_of_the_block_learning_are_refused(project_root: Path, key: str, value: Any) -> None:
    with pytest.raises(BadInput, match=key.rpartition(".")[2]):
        load_card(project_root / "configs/sections", "section_7_6", {key: value})
