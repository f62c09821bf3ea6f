"""What several trainings say together: every number over seeds and scenarios, with an interval over both.

Trainings and scenarios are both resampled, each as a whole: a seed that learned badly is bad in every scenario, and
an hour that is hard is hard for everybody. (Resampling seeds within each scenario on its own, as the usual stratified
bootstrap does, takes such seeds for 400 independent mishaps and gives intervals that are too narrow here.)

Sources: Owen, The pigeonhole bootstrap, Ann. Appl. Stat. 1(2):386-411, 2007 (rows and columns resampled apart);
interquartile mean and probability of improvement, Agarwal et al., NeurIPS 2021.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from validation_ch7.section_7_6_rl_performance.statistics import LEVEL, Estimate
from validation_ch7.traffic.arz import Floats

N_RESAMPLES = 2_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Resamples:
    """How often each training and each scenario was picked.

    Attributes:
        seeds: Shape (resamples, trainings).
        scenarios: Shape (resamples, n).
    """

    seeds: Floats
    scenarios: Floats


def draw_resamples(shape: tuple[int, ...], generator: np.random.Generator, n_resamples: int = N_RESAMPLES) -> Resamples:
    """Draw with replacement.

    Args:
        shape: Trainings and scenarios.
        generator: Draws.
        n_resamples: How often.

    Raises:
        ValueError: There is nothing to draw from.
    """
    n_seeds, n_scenarios = shape
    if n_seeds < 1 or n_scenarios < 1:
        raise ValueError(f"cannot draw from {n_seeds} trainings and {n_scenarios} scenarios")

    def counts(n: int) -> Floats:
        return generator.multinomial(n, np.full(n, 1.0 / n), size=n_resamples).astype(np.float64)

    return Resamples(seeds=counts(n_seeds), scenarios=counts(n_scenarios))


def pooled_mean(values: Floats, resamples: Resamples) -> Estimate:
    """Mean over trainings and scenarios.

    Args:
        values: Shape (trainings, n).
        resamples: Drawn for that many of each.
    """
    return _with_interval(float(values.mean()), _resampled_means(values, resamples))


def pooled_reduction_pct(values: Floats, baseline: Floats, resamples: Resamples) -> Estimate:
    """By how many percent the mean lies below a baseline's; the baseline is met in the same picked scenarios.

    Args:
        values: Shape (trainings, n).
        baseline: Of a controller that is not trained, shape (n,).
        resamples: Drawn for the trainings and scenarios.

    Raises:
        ValueError: The baseline has a mean of zero somewhere.
    """
    of_baseline = resamples.scenarios @ baseline / baseline.size
    if not of_baseline.min() > 0.0:
        raise ValueError("a relative reduction needs a baseline above zero")
    resampled = 100.0 * (1.0 - _resampled_means(values, resamples) / of_baseline)
    return _with_interval(100.0 * (1.0 - float(values.mean()) / float(baseline.mean())), resampled)


def pooled_improvement(values: Floats, baseline: Floats, resamples: Resamples) -> Estimate:
    """Share of training-scenario pairs in which the value is below the baseline's; a tie counts one half.

    Args:
        values: Shape (trainings, n).
        baseline: Shape (n,).
        resamples: Drawn for the trainings and scenarios.
    """
    better = (values < baseline) + 0.5 * (values == baseline)
    return _with_interval(float(better.mean()), _resampled_means(better, resamples))


def pooled_iqm(values: Floats, resamples: Resamples) -> Estimate:
    """Mean of the middle half of all training-scenario pairs; at either end a quarter of the pairs is left out."""
    order = np.argsort(values, axis=None)
    ranked = values.ravel()[order]
    n_scenarios = values.shape[1]
    means = np.array(
        [
            _middle_mean(ranked, (seeds[order // n_scenarios] * scenarios[order % n_scenarios]))
            for seeds, scenarios in zip(resamples.seeds, resamples.scenarios, strict=True)
        ]
    )
    return _with_interval(_middle_mean(ranked, np.ones(ranked.size)), means)


def _middle_mean(ranked: Floats, weights: Floats) -> float:
    """Mean of the middle half by weight; a value on the edge counts with the part that lies inside."""
    upto = np.cumsum(weights)
    total = upto[-1]
    inside = np.clip(np.minimum(upto, 0.75 * total) - np.maximum(upto - weights, 0.25 * total), 0.0, None)
    return float(inside @ ranked / inside.sum())


def _resampled_means(values: Floats, resamples: Resamples) -> Floats:
    means: Floats = ((resamples.seeds @ values) * resamples.scenarios).sum(axis=1) / values.size
    return means


def _with_interval(value: float, resampled: Floats) -> Estimate:
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(resampled, (tail, 1.0 - tail))
    return Estimate(value=value, low=float(low), high=float(high))
