"""Statistics over several trainings and scenarios, with intervals over both.

Trainings and scenarios are both resampled as a whole: a bad seed is bad in every scenario, and a hard scenario is hard
for every controller. (The usual stratified bootstrap resamples seeds within each scenario separately; it would treat
one bad seed as 400 independent events and give intervals that are too narrow.)
The resampling is scipy's; its samples are the indices of the trainings and of the scenarios.

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
"""With fewer trainings the resamples have too few different values for percentiles. The interval is then Student's
(Hesterberg, section 3.4), with separate degrees of freedom for the few trainings and the many scenarios."""

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolBootstrap:
    """Resampling of trainings and scenarios with replacement; equal bootstraps always draw the same.

    Attributes:
        seed: Seed of the draws.
        n_resamples: Number of resamples.
    """

    seed: int
    n_resamples: int = N_RESAMPLES

    def estimate(self, statistic: Callable[..., float], shape: tuple[int, ...]) -> Estimate:
        """A statistic of resampled trainings and scenarios with its interval.

        With a single training the spread between trainings is unknown; the interval is then over scenarios only.

        Args:
            statistic: Function of the trainings' indices, one array per group, and of the scenarios' indices.
            shape: Number of trainings in each group, and last the number of scenarios. A single training is in every
                resample.

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
        """Resample some of the samples and keep the others.

        Args:
            statistic: As in `estimate`.
            shape: As in `estimate`.
            drawn: Positions in `shape` of the samples to resample.
            level: Share of the resamples between the two percentiles.

        Returns:
            Standard deviation, lower and upper percentile of the statistic.
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
    """Share of the resamples between the ends of an interval with coverage `LEVEL`.

    Resamples of few trainings spread too little, by the factor sqrt((n - 1) / n), and the normal quantile ignores that
    the spread is itself estimated; a higher level corrects both. It is 0.983 for ten trainings.

    Args:
        n: Size of the smallest resampled sample.
    """
    return float(1.0 - 2.0 * stats.norm.sf(reach_in_deviations(n)))


def reach_in_deviations(n: int) -> float:
    """Half-width of an interval in standard deviations of the resamples.

    Args:
        n: Size of the smallest resampled sample, at least 2.
    """
    return float(np.sqrt(n / (n - 1)) * stats.t.ppf(0.5 + LEVEL / 2, n - 1))


def pooled_mean(values: Floats, bootstrap: PoolBootstrap) -> Estimate:
    """Mean over trainings and scenarios.

    Args:
        values: Shape (trainings, n).
        bootstrap: Resampling of both.
    """
    return bootstrap.estimate(lambda seeds, hours: float(values[np.ix_(seeds, hours)].mean()), values.shape)


def pooled_reduction_pct(values: Floats, baseline: Floats, bootstrap: PoolBootstrap) -> Estimate:
    """Reduction of the mean against a baseline's mean in percent, over the same resampled scenarios.

    Args:
        values: Shape (trainings, n).
        baseline: Values of a controller that is not trained, shape (n,).
        bootstrap: Resampling of trainings and scenarios.

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
        bootstrap: Resampling of trainings and scenarios.
    """
    return _share(pooled_mean((values < baseline) + 0.5 * (values == baseline), bootstrap))


def pooled_iqm(values: Floats, bootstrap: PoolBootstrap) -> Estimate:
    """Mean of the middle half of all training-scenario pairs; a quarter of the pairs is left out at each end.

    Args:
        values: Shape (trainings, n).
        bootstrap: Resampling of trainings and scenarios.
    """

    def middle(seeds: Places, hours: Places) -> float:
        picked = values[np.ix_(seeds, hours)].ravel()
        outside = picked.size // 4  # like scipy's trim_mean, whose checks alone take a millisecond
        return float(np.partition(picked, (outside, picked.size - outside - 1))[outside : picked.size - outside].mean())

    return bootstrap.estimate(middle, values.shape)


def pooled_reduction_between_pct(values: Floats, others: Floats, bootstrap: PoolBootstrap) -> Estimate:
    """Reduction of the mean of some trainings against that of others in percent, over the same resampled scenarios.

    Args:
        values: Shape (trainings, n).
        others: Shape (other trainings, n), above zero.
        bootstrap: Resampling of both groups and the scenarios.
    """

    def reduction(seeds: Places, other_seeds: Places, hours: Places) -> float:
        of_others = float(others[np.ix_(other_seeds, hours)].mean())
        return 100.0 * (1.0 - float(values[np.ix_(seeds, hours)].mean()) / of_others)

    return bootstrap.estimate(reduction, (values.shape[0], *others.shape))


def pooled_improvement_between(values: Floats, others: Floats, bootstrap: PoolBootstrap) -> Estimate:
    """Share of triples (training, other training, scenario) in which the first has the smaller value; a tie is a half.

    Args:
        values: Shape (trainings, n).
        others: Shape (other trainings, n).
        bootstrap: Resampling of both groups and the scenarios.
    """
    better = (values[:, None] < others[None]) + 0.5 * (values[:, None] == others[None])

    def share(seeds: Places, other_seeds: Places, hours: Places) -> float:
        return float(better[np.ix_(seeds, other_seeds, hours)].mean())

    return _share(bootstrap.estimate(share, (values.shape[0], *others.shape)))


def _share(estimate: Estimate) -> Estimate:
    """Limit the interval of a share to 0..1."""
    return Estimate(value=estimate.value, low=max(0.0, estimate.low), high=min(1.0, estimate.high))
