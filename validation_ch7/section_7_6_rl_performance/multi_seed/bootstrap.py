"""What several trainings say together: every number over seeds and scenarios, with an interval over both.

Trainings and scenarios are both resampled, each as a whole: a seed that learned badly is bad in every scenario, and
an hour that is hard is hard for everybody. (Resampling seeds within each scenario on its own, as the usual stratified
bootstrap does, takes such seeds for 400 independent mishaps and gives intervals that are too narrow here.)
The resampling itself is scipy's: of several samples, the numbers of the trainings and those of the scenarios.

Sources: Owen, The pigeonhole bootstrap, Ann. Appl. Stat. 1(2):386-411, 2007 (rows and columns resampled apart);
interquartile mean and probability of improvement, Agarwal et al., NeurIPS 2021; level of the percentiles, Hesterberg,
What teachers should know about the bootstrap, Am. Stat. 69(4):371-386, 2015, section 3.3; interval of a sum of
independent shares, Zou & Donner, Stat. Med. 27(10):1693-1702, 2008 (variance recovered from the limits of each share).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from validation_ch7.section_7_6_rl_performance.verdict.statistics import LEVEL, Estimate
from validation_ch7.traffic.model.arz import Floats

N_RESAMPLES = 2_000
FEW = 8
"""Resamples of fewer trainings have too few different values for their percentiles to mean anything. The interval is
then Student's (Hesterberg, section 3.4), and each share of the spread has its own: what a few trainings leave unknown
says nothing of the many scenarios."""

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

    def estimate(self, statistic: Callable[..., float], shape: tuple[int, ...]) -> Estimate:
        """A statistic of picked trainings and scenarios with its interval.

        Of a single training the spread between trainings is unknown: the interval is then over scenarios alone.

        Args:
            statistic: Of the places of the trainings, group by group, and of the scenarios.
            shape: Trainings of each group, and scenarios at last. A single training is in every resample.

        Raises:
            ValueError: A group has no trainings, or there are fewer than two scenarios.
        """
        *groups, n_scenarios = shape
        if not groups or min(groups) < 1 or n_scenarios < 2:
            raise ValueError(f"cannot draw from {groups} trainings and {n_scenarios} scenarios")
        value = float(statistic(*map(np.arange, shape)))
        drawn = [place for place, size in enumerate(shape) if size > 1]
        trained = [size for size in groups if size > 1]
        if trained and min(trained) < FEW:
            shares = [reach_in_deviations(shape[one]) * self._drawn(statistic, shape, [one])[0] for one in drawn]
            reach = float(np.sqrt(np.sum(np.square(shares))))
            return Estimate(value=value, low=value - reach, high=value + reach)
        _, low, high = self._drawn(statistic, shape, drawn, widened_level(min(trained, default=n_scenarios)))
        return Estimate(value=value, low=low, high=high)

    def _drawn(
        self, statistic: Callable[..., float], shape: tuple[int, ...], drawn: Sequence[int], level: float = LEVEL
    ) -> tuple[float, float, float]:
        """Draw some of the samples anew, the others as they are; standard deviation and percentiles of the statistic.

        Args:
            drawn: Which samples.
            level: Share of the resamples between the two percentiles.
        """
        places = [np.arange(size) for size in shape]

        def of_drawn(*picked: Places) -> float:
            now = list(places)
            for place, sample in zip(drawn, picked, strict=True):
                now[place] = sample
            return statistic(*now)

        found = stats.bootstrap(
            tuple(places[place] for place in drawn),
            of_drawn,
            paired=False,
            vectorized=False,
            n_resamples=self.n_resamples,
            batch=100,
            confidence_level=level,
            method="percentile",
            rng=np.random.default_rng(self.seed),
        )
        interval = found.confidence_interval
        return float(found.standard_error), float(interval.low), float(interval.high)


def widened_level(n: int) -> float:
    """Share of the resamples between the ends of an interval that is to hold with probability `LEVEL`.

    Resamples of few trainings spread too little, by the factor sqrt((n - 1) / n), and the normal quantile takes no
    account of the spread being a guess itself; the level makes up for both. For ten trainings 0.983.

    Args:
        n: Size of the smallest sample that is drawn from.
    """
    return float(1.0 - 2.0 * stats.norm.sf(reach_in_deviations(n)))


def reach_in_deviations(n: int) -> float:
    """How many standard deviations of the resamples an interval reaches to either side.

    Args:
        n: Size of the smallest sample that is drawn from, at least 2.
    """
    return float(np.sqrt(n / (n - 1)) * stats.t.ppf(0.5 + LEVEL / 2, n - 1))


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
    return _share(pooled_mean((values < baseline) + 0.5 * (values == baseline), bootstrap))


def pooled_iqm(values: Floats, bootstrap: PoolBootstrap) -> Estimate:
    """Mean of the middle half of all training-scenario pairs; at either end a quarter of the pairs is left out.

    Args:
        values: Shape (trainings, n).
        bootstrap: How trainings and scenarios are resampled.
    """

    def middle(seeds: Places, hours: Places) -> float:
        picked = values[np.ix_(seeds, hours)].ravel()
        outside = picked.size // 4  # as scipy's trim_mean, which takes a millisecond for its checks alone
        return float(np.partition(picked, (outside, picked.size - outside - 1))[outside : picked.size - outside].mean())

    return bootstrap.estimate(middle, values.shape)


def pooled_reduction_between_pct(values: Floats, others: Floats, bootstrap: PoolBootstrap) -> Estimate:
    """By how many percent the mean of some trainings lies below that of others, on the same picked scenarios.

    Args:
        values: Shape (trainings, n).
        others: Shape (other trainings, n), above zero.
        bootstrap: How both groups and the scenarios are resampled.
    """

    def reduction(seeds: Places, other_seeds: Places, hours: Places) -> float:
        of_others = float(others[np.ix_(other_seeds, hours)].mean())
        return 100.0 * (1.0 - float(values[np.ix_(seeds, hours)].mean()) / of_others)

    return bootstrap.estimate(reduction, (values.shape[0], *others.shape))


def pooled_improvement_between(values: Floats, others: Floats, bootstrap: PoolBootstrap) -> Estimate:
    """Share of pairs of trainings, one of either group, and scenarios in which the first delays less; a tie is a half.

    Args:
        values: Shape (trainings, n).
        others: Shape (other trainings, n).
        bootstrap: How both groups and the scenarios are resampled.
    """
    better = (values[:, None] < others[None]) + 0.5 * (values[:, None] == others[None])

    def share(seeds: Places, other_seeds: Places, hours: Places) -> float:
        return float(better[np.ix_(seeds, other_seeds, hours)].mean())

    return _share(bootstrap.estimate(share, (values.shape[0], *others.shape)))


def _share(estimate: Estimate) -> Estimate:
    """No share lies outside of 0 and 1."""
    return Estimate(value=estimate.value, low=max(0.0, estimate.low), high=min(1.0, estimate.high))
