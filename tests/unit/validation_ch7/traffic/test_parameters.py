"""Every parameter is checked before use, and a misspelt name is refused."""

import math
from dataclasses import asdict

import pytest

from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.model.demand import DemandRanges
from validation_ch7.traffic.parameter_table import ends, number, parameter_table
from validation_ch7.traffic.parameters import TrafficParameters


def test_defaults_are_within_their_own_limits() -> None:
    parameters = TrafficParameters()
    assert parameters.n_cells == 30
    assert parameters.dt_s * parameters.vf_m_s <= parameters.dx_m
    assert TrafficParameters.from_mapping(parameters.describe()) == parameters


@pytest.mark.parametrize("name", list(TrafficParameters().describe()))
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf, "10", True, None])
def test_a_value_that_is_no_positive_number_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=name):
        TrafficParameters.from_mapping({name: value})


def test_a_step_beyond_the_courant_limit_is_refused() -> None:
    TrafficParameters(dt_s=10.0 / 13.89)
    with pytest.raises(ValueError, match="dt_s"):
        TrafficParameters(dt_s=10.0 / 13.89 + 1e-6)


def test_a_link_length_that_is_no_multiple_of_the_cell_is_refused() -> None:
    with pytest.raises(ValueError, match="link_length_m"):
        TrafficParameters(link_length_m=295.0)


def test_a_misspelt_key_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ValueError, match="did you mean min_green_s"):
        EnvironmentSettings.from_mapping({"min_gren_s": 8.0})
    with pytest.raises(ValueError, match="rho_max"):
        EnvironmentSettings.from_mapping({"rho_max": 0.2})


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"min_green_s": 130.0}, "min_green"),
        ({"decision_s": 10.3}, "decision_s"),
        ({"yellow_s": 0.2}, "yellow_s"),
        ({"all_red_s": -1.0}, "all_red_s"),
        ({"yellow_used_s": True}, "yellow_used_s"),
        ({"episode_s": 3605.0}, "episode_s"),
        ({"max_green_s": -1}, "max_green_s"),
        ({"decision_s": "10"}, "decision_s"),
        ({"dt_s": 0.3}, "dt_s"),
    ],
)
def test_invalid_times_are_refused_by_name(changes: dict[str, object], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        EnvironmentSettings.from_mapping(changes)


def test_settings_are_read_back_from_their_description() -> None:
    settings = EnvironmentSettings.from_mapping({"decision_s": 5, "dx_m": 5, "dt_s": 0.25, "tau_s": 20})
    assert EnvironmentSettings.from_mapping(settings.describe()) == settings
    assert settings.steps("decision_s") == 20 and settings.decisions_per_episode == 720


def test_every_constant_has_a_unit_meaning_and_source_and_is_used() -> None:
    table = parameter_table()
    assert set(table) == {"model", "signal", "demand"}
    used = {
        "model": TrafficParameters().describe(),
        "signal": {name: v for name, v in EnvironmentSettings().describe().items() if name in table["signal"]},
        "demand": asdict(DemandRanges()),
    }
    for group, entries in table.items():
        assert {name: entry.value for name, entry in entries.items()} == used[group]
        assert all(entry.unit and entry.meaning.endswith(".") and entry.source for entry in entries.values())
    assert set(EnvironmentSettings().describe()) == set(table["model"]) | set(table["signal"])


def test_a_constant_read_as_another_kind_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"demand\.w_share"):
        number("demand", "w_share")
    with pytest.raises(ValueError, match=r"model\.tau_s"):
        ends("model", "tau_s")
