"""What several trainings say together: every number over seeds and scenarios, with an interval over both.

Trainings and scenarios are both resampled, each as a whole: a seed that learned badly is bad in every scenario, and
an hour that is hard is hard for everybody. (Resampling seeds within each scenario on its own, as the usual stratified
bootstrap does, takes such seeds for 400 independent mishaps and gives intervals that are too narrow here.)
The resampling itself is scipy's: of two samples, the numbers of the trainings and those of the scenarios.

Sources: Owen, The pigeonhole bootstrap, Ann. Appl. Stat. 1(2):386-411, 2007 (rows and columns resampled apart);
interquartile mean and probability of improvement, Agarwal et al., NeurIPS 2021.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from validation_ch7.section_7_6_rl_performance.statistics import LEVEL, Estimate
from validation_ch7.traffic.arz import Floats

N_RESAMPLES = 2_000

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolBootstrap:
    """How trainings and scenarios are drawn anew, with replacement: equal ones always draw the same.

    Attributes:
        seed: Which draws.
        n_resamples: How often.
    """

    seed: int
    n_resamples: int = N_RESAMPLES

    def estimate(self, statistic: Callable[[Places, Places], float], shape: tuple[int, ...]) -> Estimate:
        """A statistic of picked trainings and scenarios with its percentile interval.

        Args:
            statistic: Of the places of the trainings and of the scenarios.
            shape: Trainings and scenarios. A single training is in every resample.

        Raises:
            ValueError: There are no trainings, or fewer than two scenarios.
        """
        n_trainings, n_scenarios = shape
        if n_trainings < 1 or n_scenarios < 2:
            raise ValueError(f"cannot draw from {n_trainings} trainings and {n_scenarios} scenarios")
        trainings, scenarios = np.arange(n_trainings), np.arange(n_scenarios)
        alone = n_trainings == 1
        found = stats.bootstrap(
            (scenarios,) if alone else (trainings, scenarios),
            (lambda picked: statistic(trainings, picked)) if alone else statistic,
            paired=False,
            vectorized=False,
            n_resamples=self.n_resamples,
            batch=100,
            confidence_level=LEVEL,
            method="percentile",
            rng=np.random.default_rng(self.seed),
        ).confidence_interval
        return Estimate(value=float(statistic(trainings, scenarios)), low=float(found.low), high=float(found.high))


def pooled_mean(values: Floats, bootstrap: PoolBootstrap) -> Estimate:
    """Mean over trainings and scenarios.

    Args:
        values: Shape (trainings, n).
        bootstrap: How both are resampled.
    """
    return bootstrap.estimate(lambda seeds, hours: float(values[np.ix_(seeds, hours)].mean()), values.shape)


def pooled_reduction_pct(values: Floats, baseline: Floats, bootstrap: PoolBootstrap) -> Estimate:
    """By how many percent the mean lies below a baseline's; the baseline is met in the same picked scenarios.

    Args:
        values: Shape (trainings, n).
        baseline: Of a controller that is not trained, shape (n,).
        bootstrap: How trainings and scenarios are resampled.

    Raises:
        ValueError: A number of the baseline is not above zero.
    """
    if not baseline.min() > 0.0:
        raise ValueError("a relative reduction needs a baseline above zero")

    def reduction(seeds: Places, hours: Places) -> float:
        return 100.0 * (1.0 - float(values[np.ix_(seeds, hours)].mean()) / float(baseline[hours].mean()))

    return bootstrap.estimate(reduction, values.shape)


def pooled_improvement(values: Floats, baseline: Floats, bootstrap: PoolBootstrap) -> Estimate:
    """Share of training-scenario pairs in which the value is below the baseline's; a tie counts one half.

    Args:
        values: Shape (trainings, n).
        baseline: Shape (n,).
        bootstrap: How trainings and scenarios are resampled.
    """
    return pooled_mean((values < baseline) + 0.5 * (values == baseline), bootstrap)


def pooled_iqm(values: Floats, bootstrap: PoolBootstrap) -> Estimate:
    """Mean of the middle half of all training-scenario pairs; at either end a quarter of the pairs is left out.

    Args:
        values: Shape (trainings, n).
        bootstrap: How trainings and scenarios are resampled.
    """

    def middle(seeds: Places, hours: Places) -> float:
        return float(stats.trim_mean(values[np.ix_(seeds, hours)], 0.25, axis=None))

    return bootstrap.estimate(middle, values.shape)
