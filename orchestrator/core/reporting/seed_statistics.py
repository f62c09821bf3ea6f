"""Statistics over the seeds of a variant: mean and interquartile mean, each with a bootstrap interval.

Source of the interquartile mean and of intervals over trainings: Agarwal et al., Deep Reinforcement Learning at the
Edge of the Statistical Precipice, NeurIPS 2021. The interval is the percentile bootstrap (Efron & Tibshirani, 1993,
chapter 13); with fewer than about eight seeds it is too narrow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import fsum
from operator import itemgetter

from orchestrator.core.reporting.training import Training

Group = tuple[str, str, str, str, int | None]
"""Variant, profile, code, question and target steps; see `Training.group`."""
Pick = Callable[[Sequence[float]], tuple[float, ...]]
"""Picks the values of one resample."""
RESAMPLES = 2_000
LEVEL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A value with its 95 % interval; without limits for a single seed."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistic:
    """One number of a group over its seeds.

    Attributes:
        n: Number of seeds that report it.
    """

    variant: str
    profile: str
    code_digest: str
    metric: str
    n: int
    mean: Estimate
    iqm: Estimate
    lowest: float
    highest: float
    target_steps: int | None = None


def statistics_of(trainings: Sequence[Training], uniform: Callable[[int], Callable[[], float]]) -> list[Statistic]:
    """Every number of every group, in the order of the trainings. Unfinished and invalid trainings do not count.

    Args:
        uniform: Seed -> source of random numbers in [0, 1). Each statistic is computed from the same resamples, so that
            another metric or group does not change its interval.
    """
    resamples = Resamples(uniform)
    return [_statistic(group, metric, values, resamples) for group, metric, values in grouped(trainings)]


def grouped(trainings: Sequence[Training]) -> Iterator[tuple[Group, str, list[float]]]:
    """Group, metric and the values of its seeds: of every group and metric, in the order of the trainings."""
    groups: dict[Group, list[Mapping[str, float]]] = {}
    for one in trainings:
        if one.counts:
            groups.setdefault(one.group, []).append(one.measured)
    for group, members in groups.items():
        for metric in sorted(set().union(*members)):
            yield group, metric, [one[metric] for one in members if metric in one]


class Resamples:
    """The resamples of the bootstrap: those of a number of seeds are drawn once, and serve for every statistic.

    Args:
        uniform: Seed -> source of random numbers in [0, 1).
    """

    def __init__(self, uniform: Callable[[int], Callable[[], float]]) -> None:
        self._uniform = uniform
        self._known: dict[int, list[Pick]] = {}

    def estimate(self, statistic: Callable[[Sequence[float]], float], values: Sequence[float]) -> Estimate:
        """A statistic of the values, at least one, with its percentile bootstrap interval."""
        n = len(values)
        if n > 1 and n not in self._known:
            self._known[n] = _drawn(n, self._uniform(0))
        return _estimate(statistic, values, self._known.get(n, ()))


def mean(values: Sequence[float]) -> float:
    """The mean, finite for all finite values."""
    try:
        return fsum(values) / len(values)
    except OverflowError:  # the sum is no float, the mean is one
        return float(sum(map(Fraction, values)) / len(values))


def interquartile_mean(values: Sequence[float]) -> float:
    """The mean without the lowest and the highest quarter of the values, each rounded down to whole values."""
    cut = len(values) // 4
    return mean(sorted(values)[cut : len(values) - cut])


def estimate(
    statistic: Callable[[Sequence[float]], float], values: Sequence[float], uniform: Callable[[], float]
) -> Estimate:
    """A statistic of the values with its percentile bootstrap interval.

    Args:
        values: One per seed, at least one.
        uniform: Draws from [0, 1).
    """
    return _estimate(statistic, values, _drawn(len(values), uniform) if len(values) > 1 else ())


def _estimate(
    statistic: Callable[[Sequence[float]], float], values: Sequence[float], resamples: Sequence[Pick]
) -> Estimate:
    value = statistic(values)
    if not resamples:
        return Estimate(value=value)
    drawn = sorted(statistic(pick(values)) for pick in resamples)
    tail = round((1 - LEVEL) / 2 * RESAMPLES)
    return Estimate(value=value, low=drawn[tail], high=drawn[-tail - 1])


def _drawn(n: int, uniform: Callable[[], float]) -> list[Pick]:
    """Resamples of n values, n > 1: each picks n of them with replacement."""
    return [itemgetter(*[int(uniform() * n) for _ in range(n)]) for _ in range(RESAMPLES)]


def _statistic(group: Group, metric: str, values: Sequence[float], resamples: Resamples) -> Statistic:
    variant, profile, code_digest, _, target_steps = group
    return Statistic(
        variant=variant,
        profile=profile,
        code_digest=code_digest,
        metric=metric,
        n=len(values),
        mean=resamples.estimate(mean, values),
        iqm=resamples.estimate(interquartile_mean, values),
        lowest=min(values),
        highest=max(values),
        target_steps=target_steps,
    )
