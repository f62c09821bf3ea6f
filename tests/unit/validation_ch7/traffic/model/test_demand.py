"""Scenarios: equal addresses give equal demand, other addresses other demand, within the declared ranges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from validation_ch7.traffic.model.demand import (
    DemandRanges,
    Scenario,
    ScenarioAddress,
    Split,
    draw_scenario,
    draw_scenarios,
)

HOUR_S, VF = 3600.0, 13.89
WORDS = st.integers(0, 2**32 - 1)
ADDRESSES = st.builds(ScenarioAddress, split=st.sampled_from(Split), index=WORDS, stream=WORDS)


def bits(scenario: Scenario) -> bytes:
    return scenario.arrivals_veh.tobytes() + scenario.w_in_m_s.tobytes()


def draw(address: ScenarioAddress) -> Scenario:
    return draw_scenario(address, episode_s=HOUR_S, vf_m_s=VF)


@given(ADDRESSES, ADDRESSES)
def test_scenarios_are_equal_if_and_only_if_their_addresses_are(one: ScenarioAddress, other: ScenarioAddress) -> None:
    assert (bits(draw(one)) == bits(draw(other))) == (one == other)


def test_scenarios_of_different_splits_streams_and_indices_all_differ() -> None:
    addresses = [
        ScenarioAddress(split=split, index=index, stream=stream)
        for split in Split
        for stream in (0, 1)
        for index in range(160)
    ]
    assert len({bits(draw(address)) for address in addresses}) == len(addresses) == 960


def test_a_scenario_does_not_depend_on_the_others_drawn_with_it() -> None:
    addresses = [ScenarioAddress(split=Split.TEST, index=index) for index in range(5)]
    together = draw_scenarios(addresses, episode_s=HOUR_S, vf_m_s=VF)
    backwards = draw_scenarios(addresses[::-1], episode_s=HOUR_S, vf_m_s=VF)[::-1]
    assert [bits(one) for one in together] == [bits(one) for one in backwards] == [bits(draw(a)) for a in addresses]


def test_drawing_neither_uses_nor_changes_the_global_generator() -> None:
    address = ScenarioAddress(split=Split.TRAINING, index=3, stream=11)
    np.random.seed(0)
    before = np.random.get_state()[1].tobytes()  # type: ignore[union-attr]  # the legacy state is a tuple
    first = bits(draw(address))
    assert np.random.get_state()[1].tobytes() == before  # type: ignore[union-attr]  # the legacy state is a tuple
    np.random.seed(1)
    assert bits(draw(address)) == first


def test_arrivals_and_driver_types_are_within_their_ranges() -> None:
    scenarios = draw_scenarios(
        [ScenarioAddress(split=Split.TUNING, index=index) for index in range(300)], episode_s=HOUR_S, vf_m_s=VF
    )
    arrivals = np.stack([scenario.arrivals_veh for scenario in scenarios])
    w_in = np.stack([scenario.w_in_m_s for scenario in scenarios])
    assert arrivals.shape == w_in.shape == (300, 4, 360)
    assert (arrivals >= 0.0).all() and (arrivals == np.round(arrivals)).all()
    assert (w_in >= 0.8 * VF).all() and (w_in <= VF).all()
    ranges = DemandRanges()
    hourly = arrivals.sum(axis=2)
    lowest = ranges.base_veh_h[0] * ranges.direction_factor[0]
    highest = sum((ranges.base_veh_h[1], ranges.peak_veh_h[1])) * ranges.direction_factor[1]
    assert (hourly > lowest - 5 * np.sqrt(lowest)).all() and (hourly < highest + 5 * np.sqrt(highest)).all()
    # Mean by hand: 235 base + 325 peak x 8/15 (mean of the peak's shape) x 0.59 (mean width, centre within the hour).
    assert hourly.mean() == pytest.approx(235 + 325 * 8 / 15 * 0.59, rel=0.05)


def test_the_two_axes_have_their_peaks_at_different_times() -> None:
    scenarios = draw_scenarios(
        [ScenarioAddress(split=Split.TUNING, index=index) for index in range(100)], episode_s=HOUR_S, vf_m_s=VF
    )
    arrivals = np.stack([scenario.arrivals_veh for scenario in scenarios]).reshape(100, 2, 2, 12, 300 // 10)
    by_five_minutes = arrivals.sum(axis=(2, 4))
    busiest = by_five_minutes.argmax(axis=2)
    assert (np.abs(busiest[:, 0] - busiest[:, 1]) >= 2).mean() > 0.4


def test_demand_ranges_of_zero_width_leave_only_poisson_arrivals() -> None:
    flat = DemandRanges(base_veh_h=(360.0, 360.0), peak_veh_h=(0.0, 0.0), direction_factor=(1.0, 1.0), w_share=(1, 1))
    scenario = draw_scenario(ScenarioAddress(split=Split.TEST, index=0), episode_s=360_000.0, vf_m_s=VF, ranges=flat)
    assert scenario.arrivals_veh.mean() == pytest.approx(1.0, rel=0.02)
    assert scenario.arrivals_veh.var() == pytest.approx(1.0, rel=0.03)  # Poisson: the variance equals the mean
    assert (scenario.w_in_m_s == VF).all()


@pytest.mark.parametrize("changes", [{"index": -1}, {"index": 2**32}, {"stream": -1}, {"stream": 2**32}])
def test_an_address_that_could_collide_is_refused(changes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="scenario"):
        # Keyword arguments of several types.
        ScenarioAddress(**{"split": Split.TEST, "index": 0, **changes})  # type: ignore[arg-type]


def test_a_controllers_stream_is_independent_of_the_demand() -> None:
    address = ScenarioAddress(split=Split.TEST, index=0)
    draws = {address.generator(purpose, variant).random() for purpose in (0, 1) for variant in (0, 1)}
    assert len(draws) == 4
