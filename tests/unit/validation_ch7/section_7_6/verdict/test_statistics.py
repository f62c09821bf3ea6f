"""Intervals have their nominal coverage, pairs are resampled together, and numbers agree with ones by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from validation_ch7.section_7_6_rl_performance.verdict.statistics import (
    Bootstrap,
    interquartile_mean,
    mean_estimate,
    probability_of_improvement,
    reduction_pct,
)


def bootstrap_for(n: int, resamples: int = 2000, seed: int = 0) -> Bootstrap:
    return Bootstrap(n_scenarios=n, seed=seed, n_resamples=resamples)


def test_only_bootstraps_with_the_same_seed_draw_the_same() -> None:
    values = np.random.default_rng(1).gamma(2.0, 9.0, 20)
    estimate = [mean_estimate(values, bootstrap_for(20, seed=seed)) for seed in (0, 0, 1)]
    assert estimate[0] == estimate[1] != estimate[2]


def test_one_scenario_has_no_spread() -> None:
    estimate = mean_estimate(np.array([3.0]), bootstrap_for(1))
    assert (estimate.value, estimate.low, estimate.high) == (3.0, 3.0, 3.0)


@pytest.mark.parametrize(("n", "resamples"), [(0, 10), (10, 0)])
def test_a_bootstrap_without_scenarios_or_resamples_is_refused(n: int, resamples: int) -> None:
    with pytest.raises(ValueError, match="cannot draw"):
        bootstrap_for(n, resamples)


def test_the_interval_of_a_mean_has_the_theoretical_width() -> None:
    values = np.random.default_rng(3).normal(30.0, 4.0, 400)
    estimate = mean_estimate(values, bootstrap_for(400, 4000))
    half_width = 1.96 * values.std() / np.sqrt(400)
    assert estimate.value == values.mean()
    assert estimate.low == pytest.approx(estimate.value - half_width, abs=0.08 * half_width)
    assert estimate.high == pytest.approx(estimate.value + half_width, abs=0.08 * half_width)


def test_the_interval_has_about_its_nominal_coverage() -> None:
    bootstrap = bootstrap_for(60, 400)
    covered = 0
    for repetition in range(300):
        values = np.random.default_rng([9, repetition]).normal(10.0, 3.0, 60)
        estimate = mean_estimate(values, bootstrap)
        covered += estimate.low <= 10.0 <= estimate.high
    assert 0.90 <= covered / 300 <= 0.98


def test_a_reduction_equals_the_value_by_hand() -> None:
    estimate = reduction_pct(np.array([1.0, 2.0]), np.array([4.0, 2.0]), bootstrap_for(2))
    assert estimate.value == pytest.approx(50.0)  # 1.5 against 3
    # A quarter of the resamples gives 75 %, a quarter 0 % and half of them 50 %.
    assert (estimate.low, estimate.high) == (pytest.approx(0.0), pytest.approx(75.0))


def test_less_is_a_positive_reduction_and_more_a_negative_one() -> None:
    baseline = np.random.default_rng(0).uniform(20.0, 40.0, 50)
    bootstrap = bootstrap_for(50)
    assert reduction_pct(baseline * 0.8, baseline, bootstrap).value == pytest.approx(20.0)
    assert reduction_pct(baseline * 1.3, baseline, bootstrap).value == pytest.approx(-30.0)


def test_pairs_are_resampled_together() -> None:
    """If every scenario is reduced by the same share, the interval has no width, however much scenarios differ."""
    generator = np.random.default_rng(0)
    baseline = generator.uniform(5.0, 500.0, 50)
    estimate = reduction_pct(baseline * 0.75, baseline, bootstrap_for(50))
    assert estimate.high - estimate.low < 1e-9
    unpaired = reduction_pct(generator.permutation(baseline) * 0.75, baseline, bootstrap_for(50))
    assert unpaired.high - unpaired.low > 5.0


@pytest.mark.parametrize("bad", [[0.0, 0.0], [1.0, -3.0], [np.nan, 1.0]])
def test_a_baseline_that_is_not_above_zero_is_refused(bad: list[float]) -> None:
    with pytest.raises(ValueError, match="above zero"):
        reduction_pct(np.ones(2), np.array(bad), bootstrap_for(2))


def test_arrays_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="paired"):
        reduction_pct(np.ones(3), np.ones(4), bootstrap_for(3))
    with pytest.raises(ValueError, match="paired"):
        probability_of_improvement(np.ones(3), np.ones(4))
    for call in (
        lambda: mean_estimate(np.ones(3), bootstrap_for(4)),
        lambda: mean_estimate(np.ones((2, 3)), bootstrap_for(3)),
    ):
        with pytest.raises(ValueError, match="does not fit"):
            call()


def test_the_interquartile_mean_omits_a_quarter_at_each_end() -> None:
    assert interquartile_mean(np.array([900.0, 2.0, 4.0, -50.0])) == 3.0
    assert interquartile_mean(np.array([7.0])) == 7.0
    assert interquartile_mean(np.array([0.0, 0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0])) == 6.2
    assert np.isnan(interquartile_mean(np.array([1.0, 2.0, 3.0, np.nan])))  # NaN is sorted last and must not be dropped


def test_improvement_counts_pairs_and_halves_ties() -> None:
    baseline = np.array([2.0, 2.0, 2.0, 2.0])
    assert probability_of_improvement(np.array([1.0, 1.0, 2.0, 3.0]), baseline) == 0.625


@given(st.lists(st.floats(0.1, 1e3), min_size=2, max_size=30), st.integers(0, 2**32 - 1))
def test_estimates_stay_within_the_observed_range(values: list[float], seed: int) -> None:
    observed = np.array(values)
    estimate = mean_estimate(observed, bootstrap_for(len(values), 50, seed))
    slack = 1e-9 * observed.max()
    assert observed.min() - slack <= estimate.low <= estimate.high + slack <= observed.max() + 2 * slack
    assert observed.min() - slack <= interquartile_mean(observed) <= observed.max() + slack
