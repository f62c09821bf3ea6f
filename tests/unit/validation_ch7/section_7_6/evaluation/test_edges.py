"""A chosen value at the end of its grid is reported, unless a natural limit of the crossing ends the axis there."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from tiny_world import bench, tiny_spec

from validation_ch7.section_7_6_rl_performance.controllers.families import TUNED_FAMILIES, Family, Parameters, grid_of
from validation_ch7.section_7_6_rl_performance.evaluation import baselines
from validation_ch7.section_7_6_rl_performance.evaluation import comparison as comparison_module
from validation_ch7.section_7_6_rl_performance.evaluation.comparison import Comparison
from validation_ch7.section_7_6_rl_performance.evaluation.kept_results import KeptResults
from validation_ch7.section_7_6_rl_performance.evaluation.tuning import Tuning, tune
from validation_ch7.traffic.env.settings import EnvironmentSettings

BY_NAME = {family.name: family for family in TUNED_FAMILIES}
SEARCHED = [family for family in TUNED_FAMILIES if family.base is None]


def tuning(family: Family, grid: Sequence[Parameters], chosen: Parameters, **card: object) -> Tuning:
    """A tuning in which this candidate has the least delay."""
    table = tuple((tried, 20.0 if tried == chosen else 30.0) for tried in grid)
    limits = family.limits(EnvironmentSettings.from_mapping(card))
    return Tuning(family=family, best=list(grid).index(chosen), table=table, n_scenarios=20, limits=limits)


@pytest.mark.parametrize("family", SEARCHED, ids=lambda family: family.name)
def test_every_end_of_every_shipped_axis_is_reported_or_is_a_natural_limit(family: Family) -> None:
    """Each candidate in turn is made the best one; what is inside the grid is never reported."""
    for chosen in family.grid:
        found = tuning(family, family.grid, chosen)
        places = [family.axes(one) for one in family.grid]
        ends = {
            axis: value
            for axis, value in family.axes(chosen).items()
            if value in (min(place[axis] for place in places), max(place[axis] for place in places))
        }
        assert len(found.edge_faults()) + len(found.at_limit) == len(ends)
        for axis in set(ends) - set(found.at_limit):
            expected = f"The tuned {family.name} has {axis} = {ends[axis]:g}, the end of its grid"
            assert any(expected in text for text in found.edge_faults())
        short = found.in_short()
        assert short["edge_faults"] == list(found.edge_faults()) and short["at_limit"] == list(found.at_limit)


def test_a_limit_of_the_card_is_natural_only_where_the_axis_reaches_it() -> None:
    family, grid = BY_NAME["actuated"], grid_of(gap_s=(1.0, 2.0, 3.0), max_green_s=(30.0, 60.0, 90.0))
    longest = {"gap_s": 2.0, "max_green_s": 90.0}
    assert tuning(family, grid, longest).at_limit == ()
    assert "max_green_s = 90, the end of its grid (30 to 90)" in tuning(family, grid, longest).edge_faults()[0]
    at_limit = tuning(family, grid, longest, max_green_s=90.0)
    assert at_limit.at_limit == ("max_green_s",) and at_limit.edge_faults() == ()
    both = tuning(family, grid, {"gap_s": 1.0, "max_green_s": 30.0})
    assert len(both.edge_faults()) == 2
    pressure = BY_NAME["max_pressure"]
    free = grid_of(min_green_s=(6.0, 12.0, 20.0), hysteresis_veh=(0.0, 5.0, 9.0))
    natural = tuning(pressure, free, {"min_green_s": 6.0, "hysteresis_veh": 0.0})
    assert natural.at_limit == ("min_green_s", "hysteresis_veh") and natural.edge_faults() == ()
    assert len(tuning(pressure, free, {"min_green_s": 20.0, "hysteresis_veh": 9.0}).edge_faults()) == 2


def test_one_candidate_has_no_edge() -> None:
    assert tuning(BY_NAME["actuated"], [{"gap_s": 2.0}], {"gap_s": 2.0}).edge_faults() == ()


def test_a_planted_optimum_at_an_edge_is_found_by_the_comparison(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plans with much too long greens: the shortest one is the best, and a shorter one would be better."""
    planted = replace(
        BY_NAME["fixed_time"], grid=grid_of(green_ns_s=(70.0, 90.0, 110.0), green_ew_s=(70.0, 90.0, 110.0))
    )
    few = [planted, *(replace(family, grid=family.grid[:1]) for family in TUNED_FAMILIES[1:])]
    monkeypatch.setattr(baselines, "TUNED_FAMILIES", tuple(few))
    spec = tiny_spec()
    spec["lineage"]["environment"] = {"episode_s": 600.0}
    spec["lineage"]["hyper_parameters"].update(selection_scenarios=2)
    test_bench = bench(tmp_path, spec)
    found = Comparison(best=Any)  # type: ignore[arg-type]  # tuning does not look at the model
    trials = baselines.Trials.of(test_bench.plan)
    comparison_module._tune_classical(found, KeptResults({}, "s"), trials, context=test_bench.context)
    test_bench.context.reporter.close()
    expected = "The tuned fixed_time has mean_green_s = 70, the end of its grid (70 to 110)"
    assert any(expected in fault for fault in found.edge_faults)
    assert any(expected in line for line in test_bench.output)
    assert found.tuned["rollout"].chosen == found.tuned["actuated"].chosen


@pytest.mark.prove
@pytest.mark.parametrize("family", SEARCHED, ids=lambda family: family.name)
def test_no_shipped_grid_has_its_optimum_at_an_edge(family: Family) -> None:
    """The card's crossing and its 20 tuning scenarios; every comparison checks its own."""
    assert tune(family, environment={}, n_scenarios=20).edge_faults() == ()
