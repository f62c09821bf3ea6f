"""Statistics over the seeds of a variant: mean and interquartile mean, each with a bootstrap interval.

Source of the interquartile mean and of intervals over trainings: Agarwal et al., Deep Reinforcement Learning at the
Edge of the Statistical Precipice, NeurIPS 2021. The interval is the percentile bootstrap (Efron & Tibshirani, 1993,
chapter 13); with fewer than about eight seeds it is too narrow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum

from orchestrator.core.reporting.training import Training

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


def statistics_of(trainings: Sequence[Training], uniform: Callable[[int], Callable[[], float]]) -> list[Statistic]:
    """Every number of every group, in the order of the trainings. Unfinished and invalid trainings do not count.

    Args:
        uniform: Seed -> source of random numbers in [0, 1). Each statistic gets a source of its own, so that another
            metric or group does not change its interval.
    """
    groups: dict[tuple[str, str, str, str], list[Mapping[str, float]]] = {}
    for one in trainings:
        if one.counts:
            groups.setdefault(one.group, []).append(one.measured)
    return [
        _statistic(group, metric, [one[metric] for one in members if metric in one], uniform)
        for group, members in groups.items()
        for metric in sorted(set().union(*members))
    ]


def mean(values: Sequence[float]) -> float:
    """The mean."""
    return fsum(values) / len(values)


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
    n, value = len(values), statistic(values)
    if n < 2:
        return Estimate(value=value)
    drawn = sorted(statistic([values[int(uniform() * n)] for _ in range(n)]) for _ in range(RESAMPLES))
    tail = round((1 - LEVEL) / 2 * RESAMPLES)
    return Estimate(value=value, low=drawn[tail], high=drawn[-tail - 1])


def _statistic(
    group: tuple[str, str, str, str],
    metric: str,
    values: Sequence[float],
    uniform: Callable[[int], Callable[[], float]],
) -> Statistic:
    variant, profile, code_digest, _ = group
    return Statistic(
        variant=variant,
        profile=profile,
        code_digest=code_digest,
        metric=metric,
        n=len(values),
        mean=estimate(mean, values, uniform(0)),
        iqm=estimate(interquartile_mean, values, uniform(0)),
        lowest=min(values),
        highest=max(values),
    )
