"""The verdict on a comparison: supported, not supported, inconclusive, or invalid."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.kernel.outcome import Verdict
from orchestrator.kernel.schema import read
from validation_ch7.section_7_6_rl_performance.evaluation.evaluation import EvaluationResult
from validation_ch7.section_7_6_rl_performance.schema import Criteria
from validation_ch7.section_7_6_rl_performance.verdict.findings import (
    INTERVAL_WORDS,
    Finding,
    by_interval,
    change,
    joined,
    tail_findings,
    why_not,
)
from validation_ch7.section_7_6_rl_performance.verdict.sanity_checks import POLICY, comparison_faults
from validation_ch7.section_7_6_rl_performance.verdict.statistics import (
    Bootstrap,
    Estimate,
    mean_estimate,
    reduction_pct,
)
from validation_ch7.section_7_6_rl_performance.verdict.tail import FEWEST_SCENARIOS, Tail, tail_of
from validation_ch7.traffic.env.settings import EnvironmentSettings

ACTUATED = "actuated"
"""The controller that traffic engineers would install: every result says where the policy stands against it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict with its numbers.

    Attributes:
        verdict: The scientific result.
        reasons: Reasons for it, one sentence each.
        reduction_pct: Reduction of the mean delay against the baseline in percent; None if the verdict is invalid.
        against_actuated_pct: The same against the tuned actuated controller; None if it was not evaluated.
        findings: The criteria of the tail that the card states; empty if the verdict is invalid.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    reduction_pct: Estimate | None = None
    against_actuated_pct: Estimate | None = None
    findings: tuple[Finding, ...] = ()


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
    actuated = _against_actuated(results, bootstrap)
    numbers = (
        f"{POLICY} delays by {mean_estimate(policy_s, bootstrap)} s/veh and {criterion.baseline} by"
        f" {mean_estimate(baseline_s, bootstrap)} s/veh on the same {len(policy_s)} test scenarios:"
        f" {change(reduction)}{'' if criterion.baseline == ACTUATED else beside_actuated(actuated)}."
    )
    of_mean, why = _against(criterion, reduction, len(policy_s))
    policy, baseline = results[POLICY], results[criterion.baseline]
    tail = tail_between(policy, baseline, hardest_pct=criterion.hardest_pct, bootstrap=bootstrap)
    findings = tail_findings(tail, criterion, who=POLICY, first_scenario=policy.first_index)
    if len(policy_s) < FEWEST_SCENARIOS:  # then nothing is judged
        verdict, changed = of_mean, list[str]()
    else:
        verdict, changed = joined(of_mean, findings), [f"{one}." for one in why_not(of_mean, findings)]
    best_other = _against_best_other(results, criterion.baseline, bootstrap)
    of_tail = (f"{one.text}." for one in findings)
    reasons = (numbers, why, *changed, *of_tail, *best_other, *reservations, _scope(criterion))
    return Judgement(
        verdict=verdict,
        reasons=reasons,
        reduction_pct=reduction,
        against_actuated_pct=actuated,
        findings=findings,
    )


def beside_actuated(reduction: Estimate | None) -> str:
    """The second half of the headline; empty if the actuated controller was not evaluated."""
    return "" if reduction is None else f", and {change(reduction)} delay than the tuned actuated controller"


def _against_actuated(results: Mapping[str, EvaluationResult], bootstrap: Bootstrap) -> Estimate | None:
    of_actuated = results.get(ACTUATED)
    if of_actuated is None or not of_actuated.delay_s_per_veh.min() > 0.0:
        return None
    return reduction_pct(results[POLICY].delay_s_per_veh, of_actuated.delay_s_per_veh, bootstrap)


def tail_between(
    result: EvaluationResult, baseline: EvaluationResult, *, hardest_pct: float | None, bootstrap: Bootstrap
) -> Tail:
    """The tail of a result against a baseline on the same scenarios.

    Args:
        result: A controller's result.
        baseline: The baseline's.
        hardest_pct: Share of the hardest scenarios in percent; None for the default.
        bootstrap: Resampling of the scenarios.

    Raises:
        ValueError: The baseline has no delay in some scenario, or the bootstrap is for another number of scenarios.
    """
    if not baseline.delay_s_per_veh.min() > 0.0:
        raise ValueError("a ratio of delays needs a baseline above zero")
    return tail_of(
        result.delay_s_per_veh,
        baseline.delay_s_per_veh,
        worst_s=result.worst_approach_s_per_veh,
        worst_of_baseline_s=baseline.worst_approach_s_per_veh,
        hardest_pct=hardest_pct,
        bootstrap=bootstrap,
    )


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
        named = f"The best of the other controllers is {best} with {mean_estimate(others[best], bootstrap)} s/veh"
        if best == ACTUATED:  # the first sentence compares with it
            yield f"{named}."
            return
        reduction = reduction_pct(results[POLICY].delay_s_per_veh, others[best], bootstrap)
        yield f"{named}: {POLICY} delays by {change(reduction)}."


def _against(criterion: Criteria, reduction: Estimate, n_scenarios: int) -> tuple[Verdict, str]:
    least_pct = criterion.min_delay_reduction_pct
    required = f"The required reduction is {least_pct:.1f} %"
    if n_scenarios < FEWEST_SCENARIOS:
        return Verdict.INCONCLUSIVE, f"{required}; {n_scenarios} scenarios are too few for an interval to be trusted."
    verdict = by_interval(reduction, least_pct)
    return verdict, f"{required}; {INTERVAL_WORDS[verdict]}."


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
