"""Claims about a variant, from all its trainings and the criteria that were fixed before the runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from orchestrator.kernel.outcome import Verdict
from orchestrator.kernel.schema import read
from validation_ch7.section_7_6_rl_performance.controllers.families import CLASSICAL
from validation_ch7.section_7_6_rl_performance.multi_seed.bootstrap import (
    PoolBootstrap,
    pooled_improvement,
    pooled_improvement_between,
    pooled_iqm,
    pooled_mean,
    pooled_reduction_between_pct,
    pooled_reduction_pct,
)
from validation_ch7.section_7_6_rl_performance.multi_seed.grouping import Experiment, Variant
from validation_ch7.section_7_6_rl_performance.multi_seed.load import ALSO, WORST_APPROACH, Training
from validation_ch7.section_7_6_rl_performance.multi_seed.power import trainings_needed
from validation_ch7.section_7_6_rl_performance.multi_seed.tail import pooled_tail
from validation_ch7.section_7_6_rl_performance.schema import Criteria
from validation_ch7.section_7_6_rl_performance.verdict.findings import (
    INTERVAL_WORDS,
    Finding,
    by_interval,
    joined,
    tail_findings,
    why_not,
)
from validation_ch7.section_7_6_rl_performance.verdict.sanity_checks import POLICY
from validation_ch7.section_7_6_rl_performance.verdict.statistics import Bootstrap, Estimate, reduction_pct
from validation_ch7.section_7_6_rl_performance.verdict.tail import Tail
from validation_ch7.traffic.model.arz import Floats

# The resampling seed belongs to the method, not to the run: equal delays always give equal intervals.
_BOOTSTRAP = PoolBootstrap(seed=7_6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """A variant compared with another variant or with a classical controller.

    Attributes:
        reduction_pct: Reduction of its mean delay in percent.
        improvement: Probability that it has less delay in the same scenario.
        trainings_needed: Number of trainings that would separate the two means; None if no reasonable number would,
            or if a single training shows no spread.
        n_trainings: Trainings of the smaller group; a single training is never significant.
        by_seed_pct: Reduction of each training, in the order of the seeds, with its interval over scenarios; empty
            for a comparison with another trained variant, whose seeds are not paired with these.
    """

    reduction_pct: Estimate
    improvement: Estimate
    trainings_needed: int | None
    n_trainings: int
    by_seed_pct: tuple[Estimate, ...] = ()

    @property
    def is_significant(self) -> bool:
        """Whether the whole interval is on one side of zero, with at least two trainings in each group."""
        return self.n_trainings > 1 and (self.reduction_pct.low > 0.0 or self.reduction_pct.high < 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The results of one variant.

    Attributes:
        label: Label of the variant.
        seeds: Seeds of its trainings.
        mean_s: Mean delay per vehicle in s.
        iqm_s: Interquartile mean of the delay in s.
        by_seed_s: Mean delay of each training, in the order of the seeds.
        also: The other measures, by the names in `ALSO`.
        beside: Controller name -> comparison with it: the classical controllers, and the criteria's baseline.
        tail: Its tail against the criteria's baseline.
        findings: The criteria of the tail that the card states.
        verdict: Verdict by the card's criteria.
        reason: Reason for the verdict.
    """

    label: str
    seeds: tuple[int, ...]
    mean_s: Estimate
    iqm_s: Estimate
    by_seed_s: tuple[float, ...]
    also: Mapping[str, Estimate]
    beside: Mapping[str, Beside]
    tail: Tail
    findings: tuple[Finding, ...]
    verdict: Verdict
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """A controller that is not trained: delay per vehicle in s, and the other measures by the names in `ALSO`."""

    mean_s: Estimate
    iqm_s: Estimate
    also: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """The results of an experiment.

    Attributes:
        claims: One for each variant.
        others: Controllers that are not trained.
        versus: Labels of two variants -> comparison of the first with the second; every pair once.
        n_scenarios: Number of unseen scenarios, equal for all controllers.
        terms: Conditions that all trainings share.
        lineages: Lineage id -> label and seed of a training.
    """

    claims: tuple[Claim, ...]
    others: Mapping[str, Other]
    versus: Mapping[tuple[str, str], Beside]
    n_scenarios: int
    terms: Mapping[str, object]
    lineages: Mapping[str, tuple[str, int]]


def pool_experiment(experiment: Experiment, bootstrap: PoolBootstrap = _BOOTSTRAP) -> Pool:
    """Evaluate the trainings of an experiment together.

    Args:
        experiment: The experiment.
        bootstrap: Resampling for the intervals; reports always use the default.

    Raises:
        ValueError: The criteria are invalid.
    """
    first = experiment.first
    criterion = read(Criteria, first.terms["criteria"], place="criteria")
    trainings = [one for variant in experiment.variants for one in variant.trainings]
    return Pool(
        claims=tuple(_claim(variant, criterion, bootstrap) for variant in experiment.variants),
        others={label: _other(one, name, bootstrap) for label, (one, name) in experiment.others.items()},
        versus={
            (one.label, other.label): _versus(one, other, bootstrap)
            for one, other in combinations(experiment.variants, 2)
        },
        n_scenarios=first.delays_s[POLICY].size,
        terms=experiment.terms,
        lineages={one.lineage_id: (one.variant, one.seed) for one in trainings},
    )


def _other(measured: Training, name: str, bootstrap: PoolBootstrap) -> Other:
    delays_s = measured.delays_s[name][None, :]
    return Other(
        mean_s=pooled_mean(delays_s, bootstrap),
        iqm_s=pooled_iqm(delays_s, bootstrap),
        also=_also([measured], name, bootstrap),
    )


def _claim(variant: Variant, criterion: Criteria, bootstrap: PoolBootstrap) -> Claim:
    delays_s, own = _delays_s(variant), variant.trainings[0].delays_s
    compared = dict.fromkeys([*CLASSICAL, criterion.baseline])
    beside = {name: _beside(delays_s, own[name], bootstrap) for name in compared}
    tail = _tail(variant, delays_s, criterion, bootstrap)
    seeds = tuple(training.seed for training in variant.trainings)
    findings = tail_findings(tail, criterion, who=variant.label, seeds=seeds)
    verdict, reason = _verdict(beside[criterion.baseline].reduction_pct, criterion, len(delays_s), findings)
    return Claim(
        label=variant.label,
        seeds=seeds,
        mean_s=pooled_mean(delays_s, bootstrap),
        iqm_s=pooled_iqm(delays_s, bootstrap),
        by_seed_s=tuple(float(mean_s) for mean_s in delays_s.mean(axis=1)),
        also=_also(variant.trainings, POLICY, bootstrap),
        beside=beside,
        tail=tail,
        findings=findings,
        verdict=verdict,
        reason=reason,
    )


def _tail(variant: Variant, delays_s: Floats, criterion: Criteria, bootstrap: PoolBootstrap) -> Tail:
    worst_s = [training.also[WORST_APPROACH] for training in variant.trainings]
    return pooled_tail(
        delays_s,
        variant.trainings[0].delays_s[criterion.baseline],
        worst_s=np.stack([by_controller[POLICY] for by_controller in worst_s]),
        worst_of_baseline_s=worst_s[0][criterion.baseline],
        hardest_pct=criterion.hardest_pct,
        bootstrap=bootstrap,
    )


def _beside(delays_s: Floats, of_other_s: Floats, bootstrap: PoolBootstrap) -> Beside:
    over_scenarios = Bootstrap(n_scenarios=of_other_s.size, seed=bootstrap.seed, n_resamples=bootstrap.n_resamples)
    means_s = delays_s.mean(axis=1)
    return Beside(
        reduction_pct=pooled_reduction_pct(delays_s, of_other_s, bootstrap),
        improvement=pooled_improvement(delays_s, of_other_s, bootstrap),
        trainings_needed=trainings_needed(means_s, float(of_other_s.mean())) if len(means_s) > 1 else None,
        n_trainings=len(means_s),
        by_seed_pct=tuple(reduction_pct(of_seed_s, of_other_s, over_scenarios) for of_seed_s in delays_s),
    )


def _versus(one: Variant, other: Variant, bootstrap: PoolBootstrap) -> Beside:
    delays_s, others_s = _delays_s(one), _delays_s(other)
    enough = min(len(delays_s), len(others_s)) > 1
    return Beside(
        reduction_pct=pooled_reduction_between_pct(delays_s, others_s, bootstrap),
        improvement=pooled_improvement_between(delays_s, others_s, bootstrap),
        trainings_needed=trainings_needed(delays_s.mean(axis=1), others_s.mean(axis=1)) if enough else None,
        n_trainings=min(len(delays_s), len(others_s)),
    )


def _delays_s(variant: Variant) -> Floats:
    """Delay of each training and scenario, shape (trainings, n)."""
    return np.stack([training.delays_s[POLICY] for training in variant.trainings])


def _verdict(
    reduction: Estimate, criterion: Criteria, n_seeds: int, findings: tuple[Finding, ...]
) -> tuple[Verdict, str]:
    least_pct = criterion.min_delay_reduction_pct
    required = f"required: {least_pct:.1f} % less than {criterion.baseline}"
    least = max(2, criterion.min_trainings)  # one training judges its own policy, never its algorithm
    if n_seeds < least:
        return Verdict.INCONCLUSIVE, f"{required}; {n_seeds} trainings are too few, {least} are needed"
    of_mean = by_interval(reduction, least_pct)
    parts = [f"{required}; {INTERVAL_WORDS[of_mean]}", *why_not(of_mean, findings)]
    return joined(of_mean, findings), ". ".join(parts)


def _also(trainings: Sequence[Training], controller: str, bootstrap: PoolBootstrap) -> dict[str, Estimate]:
    """The other measures of a controller over some trainings."""
    return {
        measure: pooled_mean(np.stack([training.also[measure][controller] for training in trainings]), bootstrap)
        for measure in ALSO
    }
