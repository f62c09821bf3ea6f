"""What may be claimed of an algorithm, from all its trainings and the criteria that were written down before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kernel_templates.kernel_runtime.endings import Verdict
from validation_ch7.section_7_6_rl_performance.plausibility import POLICY
from validation_ch7.section_7_6_rl_performance.pool.estimates import (
    PoolBootstrap,
    pooled_improvement,
    pooled_iqm,
    pooled_mean,
    pooled_reduction_pct,
)
from validation_ch7.section_7_6_rl_performance.pool.trainings import ALSO, Training, require_one_experiment
from validation_ch7.section_7_6_rl_performance.statistics import Estimate
from validation_ch7.section_7_6_rl_performance.verdict import Criterion
from validation_ch7.traffic.arz import Floats

# The resamples are part of the method, not of the run: the same delays always give the same interval.
_BOOTSTRAP = PoolBootstrap(seed=7_6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """An algorithm beside a classical controller."""

    reduction_pct: Estimate
    improvement: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One algorithm.

    Attributes:
        algorithm: Which.
        seeds: Of its trainings.
        mean_s: Delay per vehicle in s.
        iqm_s: Its interquartile mean.
        by_seed_s: Mean delay of each training, in the order of the seeds.
        also: The other measures, by the names of `ALSO`.
        beside: Controller -> how it does beside it, all that are not trained.
        verdict: By the card's criteria.
        reason: Why.
    """

    algorithm: str
    seeds: tuple[int, ...]
    mean_s: Estimate
    iqm_s: Estimate
    by_seed_s: tuple[float, ...]
    also: Mapping[str, Estimate]
    beside: Mapping[str, Beside]
    verdict: Verdict
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """A controller that is not trained: delay per vehicle in s, and the other measures by the names of `ALSO`."""

    mean_s: Estimate
    iqm_s: Estimate
    also: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """The whole experiment.

    Attributes:
        claims: One for each algorithm.
        others: Controllers that are not trained.
        n_scenarios: Unseen scenarios that everybody met.
        terms: What all trainings share.
    """

    claims: tuple[Claim, ...]
    others: Mapping[str, Other]
    n_scenarios: int
    terms: Mapping[str, object]


def pool_trainings(trainings: Sequence[Training]) -> Pool:
    """Take trainings together.

    Raises:
        PoolRefused: They are not of one experiment.
        ValueError: The criteria make no sense.
    """
    require_one_experiment(trainings)
    first = trainings[0]
    criterion = Criterion.from_mapping(first.terms["criteria"])
    classical = {name: delays_s for name, delays_s in first.delays_s.items() if name != POLICY}
    algorithms = dict.fromkeys(training.algorithm for training in trainings)
    return Pool(
        claims=tuple(
            _claim([training for training in trainings if training.algorithm == name], classical, criterion)
            for name in algorithms
        ),
        others={
            name: Other(
                mean_s=pooled_mean(delays_s[None, :], _BOOTSTRAP),
                iqm_s=pooled_iqm(delays_s[None, :], _BOOTSTRAP),
                also=_also(trainings, name),
            )
            for name, delays_s in classical.items()
        },
        n_scenarios=first.delays_s[POLICY].size,
        terms={name: value for name, value in first.terms.items() if name != "hyper_parameters"},
    )


def _claim(trainings: Sequence[Training], classical: Mapping[str, Floats], criterion: Criterion) -> Claim:
    delays_s = np.stack([training.delays_s[POLICY] for training in trainings])
    beside = {
        name: Beside(
            reduction_pct=pooled_reduction_pct(delays_s, of_other_s, _BOOTSTRAP),
            improvement=pooled_improvement(delays_s, of_other_s, _BOOTSTRAP),
        )
        for name, of_other_s in classical.items()
    }
    verdict, reason = _verdict(beside[criterion.baseline].reduction_pct, criterion, len(trainings))
    return Claim(
        algorithm=trainings[0].algorithm,
        seeds=tuple(training.seed for training in trainings),
        mean_s=pooled_mean(delays_s, _BOOTSTRAP),
        iqm_s=pooled_iqm(delays_s, _BOOTSTRAP),
        by_seed_s=tuple(float(mean_s) for mean_s in delays_s.mean(axis=1)),
        also=_also(trainings, POLICY),
        beside=beside,
        verdict=verdict,
        reason=reason,
    )


def _verdict(reduction: Estimate, criterion: Criterion, n_seeds: int) -> tuple[Verdict, str]:
    least_pct = criterion.min_delay_reduction_pct
    required = f"required: {least_pct:.1f} % less than {criterion.baseline}"
    if n_seeds < criterion.min_trainings:
        return (
            Verdict.INCONCLUSIVE,
            f"{required}; {n_seeds} trainings are too few, {criterion.min_trainings} are needed",
        )
    if reduction.low >= least_pct:
        return Verdict.SUPPORTED, f"{required}; the whole 95 % interval reaches it"
    if reduction.high < least_pct:
        return Verdict.NOT_SUPPORTED, f"{required}; the whole 95 % interval lies below it"
    return Verdict.INCONCLUSIVE, f"{required}; it lies inside the 95 % interval"


def _also(trainings: Sequence[Training], controller: str) -> dict[str, Estimate]:
    """The other measures of a controller: over all trainings where it is the policy, else those of the first."""
    of_whom = trainings if controller == POLICY else trainings[:1]
    return {
        measure: pooled_mean(np.stack([training.also[measure][controller] for training in of_whom]), _BOOTSTRAP)
        for measure in ALSO
    }
