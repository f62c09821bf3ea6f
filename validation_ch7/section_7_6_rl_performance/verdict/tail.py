"""Measures of the tail against a baseline: what a good mean can hide.

The largest ratio has no interval: a bootstrap does not describe a maximum (Efron & Tibshirani, 1993, sec. 7.4).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from validation_ch7.section_7_6_rl_performance.schema import HARDEST_PCT
from validation_ch7.section_7_6_rl_performance.verdict.statistics import Bootstrap, Estimate
from validation_ch7.traffic.model.arz import Floats

FEWEST_SCENARIOS = 10
"""With fewer scenarios an interval can be narrow by chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """Measures of the tail against the baseline.

    Attributes:
        largest_ratio: Largest delay of a scenario, divided by the baseline's delay in it.
        largest_at: Training and scenario of that ratio, counted from 0.
        largest_s: The two delays there, the policy's first, s.
        ratios: All ratios, shape (trainings, n).
        n_hardest: Number of hardest scenarios.
        hardest_reduction_pct: Reduction of the mean delay in these.
        worst_approach_reduction_pct: Reduction of the mean delay at the worst approach.
        better_pct: Share of the scenarios with less delay; a tie counts one half.
    """

    largest_ratio: float
    largest_at: tuple[int, int]
    largest_s: tuple[float, float]
    ratios: Floats
    n_hardest: int
    hardest_reduction_pct: Estimate
    worst_approach_reduction_pct: Estimate
    better_pct: Estimate


def number_of_hardest(n_scenarios: int, hardest_pct: float | None) -> int:
    """How many scenarios are the hardest: the given share, rounded up, but at least ten if there are so many."""
    share = math.ceil(n_scenarios * (HARDEST_PCT if hardest_pct is None else hardest_pct) / 100.0 - 1e-9)
    return min(n_scenarios, max(share, FEWEST_SCENARIOS))


def largest_ratio(values: Floats, baseline: Floats) -> dict[str, Any]:
    """The fields of a `Tail` about the largest ratio.

    Args:
        values: Delays, shape (trainings, n), s.
        baseline: The baseline's delays of the same scenarios, shape (n,), s.
    """
    ratios = values / baseline
    training, scenario = (int(place) for place in np.unravel_index(int(ratios.argmax()), ratios.shape))
    return {
        "largest_ratio": float(ratios[training, scenario]),
        "largest_at": (training, scenario),
        "largest_s": (float(values[training, scenario]), float(baseline[scenario])),
        "ratios": ratios,
    }


def tail_of(
    delays_s: Floats,
    of_baseline_s: Floats,
    *,
    worst_s: Floats,
    worst_of_baseline_s: Floats,
    hardest_pct: float | None,
    bootstrap: Bootstrap,
) -> Tail:
    """The tail of one training; all arrays have one number per scenario, shape (n,).

    Args:
        delays_s: Delay per vehicle, s.
        of_baseline_s: The baseline's.
        worst_s: Delay per vehicle at the worst approach, s.
        worst_of_baseline_s: The baseline's.
        hardest_pct: Share of the hardest scenarios in percent; None for the default.
        bootstrap: Resampling of the scenarios. In each resample the hardest ones are chosen again.
    """
    n_hardest = number_of_hardest(delays_s.size, hardest_pct)

    def in_hardest(values: Floats, baseline: Floats, axis: int) -> Floats:
        places = np.argpartition(baseline, baseline.shape[axis] - n_hardest, axis=axis)
        hardest = np.moveaxis(np.moveaxis(places, axis, -1)[..., -n_hardest:], -1, axis)
        picked, of_baseline = (np.take_along_axis(one, hardest, axis=axis) for one in (values, baseline))
        return _reduction_pct(picked, of_baseline, axis)

    better = 100.0 * ((delays_s < of_baseline_s) + 0.5 * (delays_s == of_baseline_s))
    return Tail(
        **largest_ratio(delays_s[None, :], of_baseline_s),
        n_hardest=n_hardest,
        hardest_reduction_pct=bootstrap.estimate(in_hardest, delays_s, of_baseline_s),
        worst_approach_reduction_pct=bootstrap.estimate(_reduction_pct, worst_s, worst_of_baseline_s),
        better_pct=bootstrap.estimate(np.mean, better),
    )


def _reduction_pct(values: Floats, baseline: Floats, axis: int) -> Floats:
    reduced: Floats = 100.0 * (1.0 - values.mean(axis=axis) / baseline.mean(axis=axis))
    return reduced
