"""Measures of the tail over several trainings and scenarios, with intervals over both."""

from __future__ import annotations

import numpy as np

from validation_ch7.section_7_6_rl_performance.multi_seed.bootstrap import (
    Places,
    PoolBootstrap,
    pooled_improvement,
    pooled_reduction_pct,
)
from validation_ch7.section_7_6_rl_performance.verdict.statistics import Estimate
from validation_ch7.section_7_6_rl_performance.verdict.tail import Tail, largest_ratio, number_of_hardest
from validation_ch7.traffic.model.arz import Floats


def pooled_tail(
    delays_s: Floats,
    of_baseline_s: Floats,
    *,
    worst_s: Floats,
    worst_of_baseline_s: Floats,
    hardest_pct: float | None,
    bootstrap: PoolBootstrap,
) -> Tail:
    """The tail of several trainings.

    Args:
        delays_s: Delay per vehicle, shape (trainings, n), s.
        of_baseline_s: The baseline's, shape (n,), above zero.
        worst_s: Delay per vehicle at the worst approach, shape (trainings, n), s.
        worst_of_baseline_s: The baseline's, shape (n,).
        hardest_pct: Share of the hardest scenarios in percent; None for the default.
        bootstrap: Resampling of trainings and scenarios. In each resample the hardest ones are chosen again.

    Raises:
        ValueError: A number of the baseline is not above zero.
    """
    n_hardest = number_of_hardest(of_baseline_s.size, hardest_pct)

    def in_hardest(seeds: Places, hours: Places) -> float:
        hardest = hours[np.argpartition(of_baseline_s[hours], hours.size - n_hardest)[-n_hardest:]]
        return 100.0 * (1.0 - float(delays_s[np.ix_(seeds, hardest)].mean()) / float(of_baseline_s[hardest].mean()))

    better = pooled_improvement(delays_s, of_baseline_s, bootstrap)
    return Tail(
        **largest_ratio(delays_s, of_baseline_s),
        n_hardest=n_hardest,
        hardest_reduction_pct=bootstrap.estimate(in_hardest, delays_s.shape),
        worst_approach_reduction_pct=pooled_reduction_pct(worst_s, worst_of_baseline_s, bootstrap),
        better_pct=Estimate(value=100.0 * better.value, low=100.0 * better.low, high=100.0 * better.high),
    )
