"""What paired scenarios say: means, intervals and comparisons, each a plain function of numbers and picks.

The picks of the bootstrap are drawn once and handed to every function, so that the verdict, the tables and the
figure of one comparison cannot disagree, and controllers are always resampled together, scenario by scenario.

Sources: percentile bootstrap, Efron & Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13; interquartile
mean and probability of improvement, Agarwal et al., NeurIPS 2021.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from validation_ch7.traffic.arz import Floats

N_RESAMPLES = 10_000
LEVEL = 0.95

Picks = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number and its 95 % interval over scenarios, all three in the same unit."""

    value: float
    low: float
    high: float


def draw_picks(n_scenarios: int, generator: np.random.Generator, n_resamples: int = N_RESAMPLES) -> Picks:
    """Draw the scenarios of each resample, with replacement, shape (n_resamples, n_scenarios).

    Raises:
        ValueError: There is nothing to draw from, or nothing is to be drawn.
    """
    if n_scenarios < 1 or n_resamples < 1:
        raise ValueError(f"cannot draw {n_resamples} resamples of {n_scenarios} scenarios")
    return generator.integers(n_scenarios, size=(n_resamples, n_scenarios))


def mean_estimate(values: Floats, picks: Picks) -> Estimate:
    """Mean over scenarios with its percentile interval.

    Args:
        values: One number per scenario, shape (n,).
        picks: Scenarios of each resample, shape (resamples, n).

    Raises:
        ValueError: The picks were drawn for another number of scenarios.
    """
    _require_fit(values, picks)
    return _with_interval(float(values.mean()), values[picks].mean(axis=1))


def reduction_pct(values: Floats, baseline: Floats, picks: Picks) -> Estimate:
    """By how many percent the mean is below the baseline's mean; above zero is less than the baseline.

    Both means are taken over the same picked scenarios: what makes an hour hard for everybody cancels out.

    Args:
        values: One number per scenario, shape (n,).
        baseline: The baseline's numbers of the same scenarios in the same order, shape (n,).
        picks: Scenarios of each resample, shape (resamples, n).

    Raises:
        ValueError: The arrays do not belong together, or a mean of the baseline is not above zero.
    """
    if values.shape != baseline.shape:
        raise ValueError(f"{values.shape} scenarios cannot be paired with {baseline.shape}")
    _require_fit(values, picks)
    resampled_baseline = baseline[picks].mean(axis=1)
    if not resampled_baseline.min() > 0.0:
        raise ValueError("a relative reduction needs a baseline above zero")
    resampled = 100.0 * (1.0 - values[picks].mean(axis=1) / resampled_baseline)
    return _with_interval(100.0 * (1.0 - float(values.mean()) / float(baseline.mean())), resampled)


def interquartile_mean(values: Floats) -> float:
    """Mean of the middle half; a quarter of the scenarios, rounded down, is left out at either end.

    NaN where a scenario is not finite: trimming must not hide it.
    """
    if not np.isfinite(values).all():
        return float("nan")
    cut = len(values) // 4
    return float(np.sort(values)[cut : len(values) - cut].mean())


def probability_of_improvement(values: Floats, baseline: Floats) -> float:
    """Share of scenarios in which the value is below the baseline's; a tie counts one half.

    Raises:
        ValueError: The arrays do not belong together.
    """
    if values.shape != baseline.shape:
        raise ValueError(f"{values.shape} scenarios cannot be paired with {baseline.shape}")
    return float(np.mean((values < baseline) + 0.5 * (values == baseline)))


def _with_interval(value: float, resampled: Floats) -> Estimate:
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(resampled, (tail, 1.0 - tail))
    return Estimate(value=value, low=float(low), high=float(high))


def _require_fit(values: Floats, picks: Picks) -> None:
    if values.ndim != 1 or picks.ndim != 2 or picks.shape[1] != len(values):
        raise ValueError(f"picks of shape {picks.shape} were not drawn for values of shape {values.shape}")
