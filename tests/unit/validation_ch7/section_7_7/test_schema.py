"""The section's own keys: their limits, and that they are those of the traffic model and of section 7.6."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from made_study import environment, own_keys

from tests.doubles.best_models import card_environment
from validation_ch7.section_7_7_robustness import schema
from validation_ch7.section_7_7_robustness.schema import Criteria, Crossing, Schema, Study
from validation_ch7.traffic.model.demand import ARRIVAL_BIN_S, DemandRanges
from validation_ch7.traffic.parameters import TrafficParameters


def test_the_constants_are_the_models() -> None:
    model, usual = TrafficParameters(), DemandRanges()
    assert (model.vf_m_s, model.link_length_m) == (schema.FREE_SPEED_M_S, schema.LINK_LENGTH_M)
    assert schema.ARRIVAL_BIN_S == ARRIVAL_BIN_S
    assert schema.MOST_SEVERE["uneven_demand"] <= usual.direction_factor[0]
    assert schema.MOST_SEVERE["driver_mix"] < usual.w_share[0]


def test_the_crossing_of_the_card_is_that_of_section_7_6() -> None:
    trained = card_environment()
    assert environment() == {name: trained[name] for name in environment()}


def test_the_quick_profile_has_no_condition_of_its_own() -> None:
    """What quick reports is part of what full reports."""
    families = own_keys().study.families
    extra = {name: set(found) - set(families["full"][name]) for name, found in families["quick"].items()}
    assert not any(extra.values()), extra


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dt_s": 0.0}, "dt_s must be above 0"),
        ({"all_red_s": -1.0}, "all_red_s must be above 0"),
        ({"dx_m": 5.0}, "CFL"),
        ({"dx_m": 7.0, "dt_s": 0.5}, "300 m must be a multiple of dx_m = 7"),
        ({"episode_s": 605.0}, "episode_s must be a multiple of the arrival bin of 10 s"),
        ({"dt_s": 0.4}, "1 s, the time between two decisions must be a multiple of dt_s = 0.4"),
        ({"min_green_s": 200.0}, "min_green_s must not exceed max_green_s"),
        ({"yellow_used_s": 4.0}, "yellow_used_s must not exceed yellow_s"),
        ({"start_up_lost_s": 6.0}, "start_up_lost_s must be below min_green_s"),
    ],
)
def test_a_wrong_crossing_is_refused(changes: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Crossing(**environment(**changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"families": {"quick": {"heavier_demand": (0.1,)}}}, "families needs full"),
        ({"families": {"quick": {}, "full": {}}}, "families.quick is empty"),
        ({"families": {"fog": (0.1,)}}, r"families\.quick\.fog is no family; known are heavier_demand"),
        ({"families": {"uneven_demand": (0.8,)}}, "needs severities above 0 and up to 0.7"),
        ({"families": {"lane_blocked": (0.0, 0.5)}}, "needs severities above 0"),
        ({"families": {"lane_blocked": (0.5, 0.25)}}, "must ascend"),
        ({"families": {"lane_blocked": ()}}, "needs severities"),
        ({"families": {"detector_noise": (float("nan"),)}}, "needs severities"),
        ({"controllers": {"quick": ("actuated",)}}, "controllers needs full"),
        ({"controllers": {"quick": ("fixed_time",), "full": ("actuated",)}}, "controllers.quick must name actuated"),
        ({"tuning_scenarios": 0}, "tuning_scenarios must be above 0"),
    ],
)
def test_a_study_without_meaning_is_refused(changes: dict[str, Any], message: str) -> None:
    families = changes.get("families")
    if families is not None and not families.keys() & {"quick", "full"}:
        changes = {"families": {"quick": families, "full": families}}
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(own_keys().study, **changes)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_a_limit_that_limits_nothing_is_refused(value: float) -> None:
    criteria = own_keys().criteria
    with pytest.raises(ValueError, match="max_hour_ratio must be above 0"):
        dataclasses.replace(criteria, max_hour_ratio=value)
    with pytest.raises(ValueError, match=r"max_ratio\.nominal must be above 0"):
        dataclasses.replace(criteria, max_ratio={**criteria.max_ratio, "nominal": value})


def test_every_family_of_the_study_needs_a_limit() -> None:
    own = own_keys()
    limits = {name: limit for name, limit in own.criteria.max_ratio.items() if name != "detector_dead"}
    with pytest.raises(ValueError, match="needs a limit for detector_dead"):
        Schema(
            environment=own.environment, study=own.study, criteria=dataclasses.replace(own.criteria, max_ratio=limits)
        )
    with pytest.raises(ValueError, match=r"max_ratio\.fog is no family"):
        Criteria(max_ratio={"fog": 1.1}, max_hour_ratio=3.0)


def test_the_study_of_the_card_names_actuated_in_both_profiles() -> None:
    assert isinstance(own_keys().study, Study)
    study = own_keys().study.controllers
    assert set(study) == {"quick", "full"}
    assert all(not names or "actuated" in names for names in study.values())  # none named: all that are tuned
