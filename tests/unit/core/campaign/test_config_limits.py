"""Absurd numbers in a campaign are refused by arithmetic, before any list of trials is built."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.core.campaign.config import Campaign, StopRules
from orchestrator.core.campaign.group import Group
from orchestrator.core.campaign.search_config import Range


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"seeds": 10**21}, "at most 100000 trials"),
        ({"matrix": {f"key{index}": list(range(900)) for index in range(6)}}, "531441000000000000 trials are too many"),
        ({"matrix": {"a": list(range(1000))}, "seeds": 101}, "101000 trials are too many"),
    ],
)
def test_a_group_beyond_the_most_trials_is_refused(fields: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        Group(section="section_7_6", **fields)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"concurrency": 10**12}, "concurrency must not exceed 100000"),
        ({"retries": {"crashed": 10**14}}, "crashed must not exceed 100000"),
    ],
)
def test_other_counts_of_a_campaign_are_bounded(fields: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        Campaign(campaign="a", trials={"main": Group(section="section_7_6")}, stop=StopRules(), **fields)


def test_a_step_that_gives_no_finite_number_of_values_is_refused() -> None:
    with pytest.raises(ValueError, match=r"step 1e-300 is too small for a range from 0\.0 to 1e\+300"):
        Range(low=0.0, high=1e300, step=1e-300)
