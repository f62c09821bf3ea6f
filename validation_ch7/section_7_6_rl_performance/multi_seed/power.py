"""Number of trainings that would separate two means, if the observed means and spreads are the true ones.

Uses scipy's simulated power of a t-test on the same scenarios: Welch's test between two trained variants, the
one-sample test against a controller that is not trained.

Source: Colas, Sigaud & Oudeyer, How many random seeds?, arXiv:1806.08295, 2018 (Welch's test, power, its caveats).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import stats

from validation_ch7.section_7_6_rl_performance.verdict.statistics import LEVEL
from validation_ch7.traffic.model.arz import Floats

POWER = 0.8
MOST = 1_000
"""Largest number of trainings that is considered."""

_SEED = 7_6
_N_RESAMPLES = 2_000

Drawer = Callable[[tuple[int, ...]], Floats]


def trainings_needed(means: Floats, others: Floats | float) -> int | None:
    """Trainings of each variant with which the test would detect the observed difference with probability `POWER`.

    Args:
        means: Mean of each training, shape (n,) with n of at least 2.
        others: Means of the other variant's trainings, shape (m,) with m of at least 2; a number for a controller that
            is not trained.

    Returns:
        The number; None if `MOST` are not enough.

    Raises:
        ValueError: A group has a single training, which shows no spread.
    """
    groups = [means] if isinstance(others, float) else [means, others]
    if min(group.size for group in groups) < 2:
        raise ValueError("a single training shows no spread")
    low, high = 1, 2
    while _power(groups, others, high) < POWER:
        low, high = high, 2 * high
        if low >= MOST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _power(groups, others, middle) >= POWER else (middle, high)
    return high if high <= MOST else None


def _power(groups: list[Floats], others: Floats | float, n: int) -> float:
    generator = np.random.default_rng(_SEED)

    def drawer(group: Floats) -> Drawer:
        return lambda size: generator.normal(group.mean(), group.std(ddof=1), size)

    def of_one(sample: Floats, axis: int) -> Any:
        return stats.ttest_1samp(sample, others, axis=axis)

    def of_two(sample: Floats, other: Floats, axis: int) -> Any:
        return stats.ttest_ind(sample, other, equal_var=False, axis=axis)

    if all(np.ptp(group) == 0.0 for group in groups):  # without spread the number of trainings has no effect
        return float(np.mean(groups[0]) != np.mean(others))
    found = stats.power(
        of_one if len(groups) == 1 else of_two,
        tuple(drawer(group) for group in groups),  # type: ignore[arg-type]  # the stubs lack two samples
        (n,) * len(groups),
        significance=1.0 - LEVEL,
        n_resamples=_N_RESAMPLES,
    )
    return float(found.power)
