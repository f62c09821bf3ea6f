"""Statistics of paired scenarios: means, intervals and comparisons.

The resampling is scipy's. Every function gets the same bootstrap with one seed, so that verdict, tables and figures
of a comparison agree. Controllers are always resampled together, scenario by scenario.

Sources: percentile bootstrap, Efron & Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13; interquartile
mean and probability of improvement, Agarwal et al., NeurIPS 2021.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from validation_ch7.traffic.model.arz import Floats

N_RESAMPLES = 10_000
LEVEL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number and its 95 % interval over scenarios, all three in the same unit."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrap:
    """Resampling of scenarios with replacement; equal bootstraps always draw the same.

    Attributes:
        n_scenarios: Number of scenarios, and of draws in each resample.
        seed: Seed of the draws.
        n_resamples: Number of resamples.

    Raises:
        ValueError: A number is less than 1.
    """

    n_scenarios: int
    seed: int
    n_resamples: int = N_RESAMPLES

    def __post_init__(self) -> None:
        if self.n_scenarios < 1 or self.n_resamples < 1:
            raise ValueError(f"cannot draw {self.n_resamples} resamples of {self.n_scenarios} scenarios")

    def estimate(self, statistic: Callable[..., Floats], *samples: Floats) -> Estimate:
        """A statistic of paired samples with its percentile interval.

        Args:
            statistic: Function of as many arrays as there are samples, along `axis`.
            samples: One number per scenario each, shape (n,); resampled together.

        Raises:
            ValueError: A sample has another number of scenarios than the bootstrap.
        """
        for sample in samples:
            if sample.shape != (self.n_scenarios,):
                raise ValueError(f"a bootstrap of {self.n_scenarios} scenarios does not fit shape {sample.shape}")
        value = float(statistic(*samples, axis=-1))
        if self.n_scenarios == 1:  # all resamples are equal
            return Estimate(value=value, low=value, high=value)
        found = stats.bootstrap(
            samples,
            statistic,
            paired=True,
            vectorized=True,
            n_resamples=self.n_resamples,
            batch=1000,
            confidence_level=LEVEL,
            method="percentile",
            rng=np.random.default_rng(self.seed),
        ).confidence_interval
        return Estimate(value=value, low=float(found.low), high=float(found.high))


def mean_estimate(values: Floats, bootstrap: Bootstrap) -> Estimate:
    """Mean over scenarios with its percentile interval.

    Args:
        values: One number per scenario, shape (n,).
        bootstrap: For that many scenarios.

    Raises:
        ValueError: The bootstrap is for another number of scenarios.
    """
    return bootstrap.estimate(np.mean, values)


def reduction_pct(values: Floats, baseline: Floats, bootstrap: Bootstrap) -> Estimate:
    """Reduction of the mean against the baseline's mean in percent; positive if it is below the baseline.

    Both means are over the same resampled scenarios, so that the difficulty of a scenario cancels out.

    Args:
        values: One number per scenario, shape (n,).
        baseline: The baseline's numbers of the same scenarios in the same order, shape (n,).
        bootstrap: For that many scenarios.

    Raises:
        ValueError: The arrays have different shapes, or a number of the baseline is not above zero.
    """
    if values.shape != baseline.shape:
        raise ValueError(f"{values.shape} scenarios cannot be paired with {baseline.shape}")
    if not baseline.min() > 0.0:
        raise ValueError("a relative reduction needs a baseline above zero")

    def reduction(of_values: Floats, of_baseline: Floats, axis: int) -> Floats:
        reduced: Floats = 100.0 * (1.0 - of_values.mean(axis=axis) / of_baseline.mean(axis=axis))
        return reduced

    return bootstrap.estimate(reduction, values, baseline)


def interquartile_mean(values: Floats) -> float:
    """Mean of the middle half; a quarter of the scenarios, rounded down, is left out at each end.

    NaN if a scenario is not finite, since trimming could hide it.
    """
    if not np.isfinite(values).all():
        return float("nan")
    return float(stats.trim_mean(values, 0.25))


def probability_of_improvement(values: Floats, baseline: Floats) -> float:
    """Share of scenarios in which the value is below the baseline's; a tie counts one half.

    Raises:
        ValueError: The arrays have different shapes.
    """
    if values.shape != baseline.shape:
        raise ValueError(f"{values.shape} scenarios cannot be paired with {baseline.shape}")
    return float(np.mean((values < baseline) + 0.5 * (values == baseline)))
