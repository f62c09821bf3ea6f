"""The numbers of each controller under each condition, with their 95 % intervals.

Hours are resampled together for all controllers; the policies are pooled, and trainings and hours are then resampled
apart, as in the statistics over seeds of section 7.6.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from validation_ch7.section_7_6_rl_performance.multi_seed.bootstrap import Places, PoolBootstrap, pooled_mean
from validation_ch7.section_7_6_rl_performance.verdict.statistics import Bootstrap, Estimate, mean_estimate
from validation_ch7.section_7_7_robustness.conditions.family import Condition
from validation_ch7.section_7_7_robustness.evaluation.hours import Hours
from validation_ch7.section_7_7_robustness.evaluation.study import Study
from validation_ch7.section_7_7_robustness.schema import BASELINE
from validation_ch7.traffic.model.arz import Floats

POLICIES = "rl"
"""Name of all policies together in tables."""

HARDEST = 0.05
"""Share of the hours that count as the hardest: those with the largest delay under actuated control."""

# The resampling seed belongs to the method, not to the run: equal delays always give equal intervals.
_SEED = 7_7
_N_RESAMPLES = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One controller, or all policies together, under one condition.

    Attributes:
        condition: The condition.
        controller: Its name.
        n_policies: Number of policies; 0 for a classical controller.
        n_hours: Number of hours.
        delay_s: Mean delay per vehicle; None if a number is not finite.
        ratio: Mean delay over that of actuated control in the same hours; None for actuated control itself.
        largest_hour_ratio: Largest ratio in one hour.
        hardest_ratio: Ratio of the means over the hardest hours.
        better: Share of the hours (and policies) with less delay than actuated control; a tie counts one half.
        worst_approach_s: Mean over the hours of the delay on the worst approach.
        throughput: Mean share of the vehicles that left within the hour.
        n_forced_switches: Mean number of changes forced by the maximum green.
    """

    condition: Condition
    controller: str
    n_policies: int
    n_hours: int
    delay_s: Estimate | None
    ratio: Estimate | None
    largest_hour_ratio: float | None
    hardest_ratio: float | None
    better: float | None
    worst_approach_s: float
    throughput: float
    n_forced_switches: float


def rows_of(study: Study) -> list[Row]:
    """One row for all policies together, then one for each controller, under each condition in turn."""
    return [row for condition in study.results for row in _of_condition(study, condition)]


def _of_condition(study: Study, condition: Condition) -> Iterator[Row]:
    results = study.results[condition]
    names = [policy.name for policy in study.setting.policies]
    baseline = results[BASELINE].delay_s_per_veh
    if names:
        yield _row(condition, POLICIES, [results[name] for name in names], len(names), baseline)
    for name, hours in results.items():
        of_policy = 1 if name in names else 0
        yield _row(condition, name, [hours], of_policy, None if name == BASELINE else baseline)


def _row(condition: Condition, name: str, found: list[Hours], n_policies: int, baseline: Floats | None) -> Row:
    delays = np.stack([hours.delay_s_per_veh for hours in found])
    finite = bool(np.isfinite(delays).all())
    against = baseline if finite and baseline is not None and _can_divide(baseline) else None
    ratios = None if against is None else delays / against
    return Row(
        condition=condition,
        controller=name,
        n_policies=n_policies,
        n_hours=delays.shape[1],
        delay_s=_mean(delays) if finite else None,
        ratio=None if against is None else _ratio(delays, against),
        largest_hour_ratio=None if ratios is None else float(ratios.max()),
        hardest_ratio=None if against is None else _hardest_ratio(delays, against),
        better=None if ratios is None else float(np.mean((ratios < 1.0) + 0.5 * (ratios == 1.0))),
        worst_approach_s=float(np.mean([hours.worst_approach_s_per_veh for hours in found])),
        throughput=float(np.mean([hours.throughput for hours in found])),
        n_forced_switches=float(np.mean([hours.n_forced_switches for hours in found])),
    )


def _can_divide(baseline: Floats) -> bool:
    return bool(np.isfinite(baseline).all()) and float(baseline.min()) > 0.0


def _mean(delays: Floats) -> Estimate:
    if len(delays) == 1:
        return mean_estimate(delays[0], _bootstrap(delays))
    return pooled_mean(delays, PoolBootstrap(seed=_SEED))


def _ratio(delays: Floats, baseline: Floats) -> Estimate:
    if len(delays) == 1:
        return _bootstrap(delays).estimate(
            lambda ours, theirs, axis: ours.mean(axis=axis) / theirs.mean(axis=axis), delays[0], baseline
        )

    def ratio(trainings: Places, hours: Places) -> float:
        return float(delays[np.ix_(trainings, hours)].mean()) / float(baseline[hours].mean())

    return PoolBootstrap(seed=_SEED).estimate(ratio, delays.shape)


def _hardest_ratio(delays: Floats, baseline: Floats) -> float:
    hardest = np.argsort(baseline, kind="stable")[-max(1, round(HARDEST * len(baseline))) :]
    return float(delays[:, hardest].mean() / baseline[hardest].mean())


def _bootstrap(delays: Floats) -> Bootstrap:
    return Bootstrap(n_scenarios=delays.shape[1], seed=_SEED, n_resamples=_N_RESAMPLES)
