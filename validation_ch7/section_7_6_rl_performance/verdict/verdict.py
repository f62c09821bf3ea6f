"""The verdict on a comparison: supported, not supported, inconclusive, or invalid."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.kernel.outcome import Verdict
from orchestrator.kernel.schema import read
from validation_ch7.section_7_6_rl_performance.evaluation.evaluation import EvaluationResult
from validation_ch7.section_7_6_rl_performance.schema import Criteria
from validation_ch7.section_7_6_rl_performance.verdict.sanity_checks import POLICY, comparison_faults
from validation_ch7.section_7_6_rl_performance.verdict.statistics import (
    Bootstrap,
    Estimate,
    mean_estimate,
    reduction_pct,
)
from validation_ch7.traffic.env.settings import EnvironmentSettings

# With fewer scenarios an interval can be narrow by chance.
FEWEST_SCENARIOS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict with its numbers.

    Attributes:
        verdict: The scientific result.
        reasons: Reasons for it, one sentence each.
        reduction_pct: Reduction of the mean delay against the baseline in percent; None if the verdict is invalid.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    reduction_pct: Estimate | None = None


def judge(
    results: Mapping[str, EvaluationResult],
    *,
    criteria: Mapping[str, object],
    training: Mapping[str, object],
    settings: EnvironmentSettings,
    bootstrap: Bootstrap,
    more_faults: Sequence[str] = (),
    reservations: Sequence[str] = (),
) -> Judgement:
    """Judge the policy `rl` against the baseline.

    Args:
        results: Controller name -> its result: `rl`, the baseline, `constant_ns`, `constant_ew`, `random`.
        criteria: The `criteria` block of a section's card.
        training: `gradient_updates`, `policy_digest_before`, `policy_digest_after` of the lineage; and, if another
            model than the last was evaluated, its `policy_digest_evaluated`.
        settings: The crossing.
        bootstrap: Resampling of the scenarios.
        more_faults: Other reasons why the comparison is invalid, one sentence each.
        reservations: What a reader must know beside the verdict and does not change it, one sentence each.

    Raises:
        ValueError: The criteria are invalid, or the bootstrap is for another number of scenarios.
    """
    criterion = read(Criteria, criteria, place="criteria")
    faults = (
        *_training_faults(training),
        *more_faults,
        *comparison_faults(results, baseline=criterion.baseline, settings=settings),
    )
    if faults:
        return Judgement(verdict=Verdict.INVALID, reasons=(*faults, *reservations))
    policy_s, baseline_s = (results[name].delay_s_per_veh for name in (POLICY, criterion.baseline))
    reduction = reduction_pct(policy_s, baseline_s, bootstrap)
    numbers = (
        f"{POLICY} delays by {mean_estimate(policy_s, bootstrap)} s/veh and {criterion.baseline} by"
        f" {mean_estimate(baseline_s, bootstrap)} s/veh on the same {len(policy_s)} test scenarios:"
        f" {_change(reduction)}."
    )
    verdict, why = _against(criterion, reduction, len(policy_s))
    best_other = _against_best_other(results, criterion.baseline, bootstrap)
    reasons = (numbers, why, *best_other, *reservations, _scope(criterion))
    return Judgement(verdict=verdict, reasons=reasons, reduction_pct=reduction)


def _scope(criterion: Criteria) -> str:
    """The verdict of one session is about one policy, never about the algorithm."""
    of_one = "This judges one trained policy: the interval is over demand scenarios and says nothing of other trainings"
    if criterion.min_trainings == 1:
        return f"{of_one}."
    return f"{of_one}; a claim about the algorithm needs {criterion.min_trainings}."


def _against_best_other(results: Mapping[str, EvaluationResult], baseline: str, bootstrap: Bootstrap) -> Iterator[str]:
    """Also compare with the best other controller, so that a weak baseline cannot flatter the policy."""
    others = {name: result.delay_s_per_veh for name, result in results.items() if name != POLICY}
    best = min(others, key=lambda name: float(others[name].mean()))
    if best != baseline:
        reduction = reduction_pct(results[POLICY].delay_s_per_veh, others[best], bootstrap)
        yield (
            f"The best of the other controllers is {best} with {mean_estimate(others[best], bootstrap)} s/veh:"
            f" {POLICY} delays by {_change(reduction)}."
        )


def _against(criterion: Criteria, reduction: Estimate, n_scenarios: int) -> tuple[Verdict, str]:
    least_pct = criterion.min_delay_reduction_pct
    required = f"The required reduction is {least_pct:.1f} %"
    if n_scenarios < FEWEST_SCENARIOS:
        return Verdict.INCONCLUSIVE, f"{required}; {n_scenarios} scenarios are too few for an interval to be trusted."
    if reduction.low >= least_pct:
        return Verdict.SUPPORTED, f"{required}; the whole 95 % interval reaches it."
    if reduction.high < least_pct:
        return Verdict.NOT_SUPPORTED, f"{required}; the whole 95 % interval lies below it."
    return Verdict.INCONCLUSIVE, f"{required}; it lies inside the 95 % interval."


def _training_faults(training: Mapping[str, object]) -> Iterator[str]:
    """Why the policy cannot be the result of a training."""
    updates = training.get("gradient_updates")
    if isinstance(updates, bool) or not isinstance(updates, int | float) or not math.isfinite(updates):
        yield "The training does not state its number of gradient updates."
    elif updates <= 0:
        yield f"The training made {updates} gradient updates: nothing was learned."
    before, after = training.get("policy_digest_before"), training.get("policy_digest_after")
    if not before or not after:
        yield "The training does not state the policy digests before and after it."
    elif before == after:
        yield f"The policy has the same parameters before and after the training (digest {str(before)[:12]})."
    elif training.get("policy_digest_evaluated", after) == before:
        yield f"The evaluated policy is the untrained one (digest {str(before)[:12]})."


def _change(reduction: Estimate) -> str:
    """A reduction in words: `... % less`, or `... % more` if it is negative."""
    if reduction.value >= 0.0:
        return f"{reduction} % less"
    return f"{Estimate(value=-reduction.value, low=-reduction.high, high=-reduction.low)} % more"
