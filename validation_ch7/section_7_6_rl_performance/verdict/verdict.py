"""What the comparison says: supported, not supported, inconclusive, or not to be believed at all."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.kernel.outcome import Verdict
from validation_ch7.section_7_6_rl_performance.evaluation.evaluation import EvaluationResult
from validation_ch7.section_7_6_rl_performance.verdict.sanity_checks import POLICY, comparison_faults
from validation_ch7.section_7_6_rl_performance.verdict.statistics import (
    Bootstrap,
    Estimate,
    mean_estimate,
    reduction_pct,
)
from validation_ch7.traffic.env.settings import EnvironmentSettings

# Fewer hours give an interval that looks narrow by accident.
FEWEST_SCENARIOS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """What was written down before the run.

    Attributes:
        baseline: Controller that the policy must beat.
        min_delay_reduction_pct: By how many percent of the baseline's mean delay.
        min_trainings: How many trainings a claim about the algorithm needs; one only judges its own policy.
    """

    baseline: str
    min_delay_reduction_pct: float
    min_trainings: int

    @classmethod
    def from_mapping(cls, block: Mapping[str, object]) -> Criterion:
        """Read the `criteria` block of a section's card.

        Raises:
            ValueError: A key is unknown, missing, or its value makes no sense.
        """
        expected = {"baseline", "min_delay_reduction_pct", "min_trainings"}
        if set(block) != expected:
            raise ValueError(f"criteria has the keys {sorted(block)}, expected {sorted(expected)}")
        baseline, least_pct = block["baseline"], block["min_delay_reduction_pct"]
        if not isinstance(baseline, str) or baseline == POLICY:
            raise ValueError(f"criteria.baseline is {baseline!r}, and must name a controller other than the policy")
        if isinstance(least_pct, bool) or not isinstance(least_pct, int | float) or not 0.0 <= least_pct < 100.0:
            raise ValueError(f"criteria.min_delay_reduction_pct is {least_pct!r}, and must be within 0..100")
        fewest = block["min_trainings"]
        if isinstance(fewest, bool) or not isinstance(fewest, int) or fewest < 1:
            raise ValueError(f"criteria.min_trainings is {fewest!r}, and must be a whole number from 1 on")
        return cls(baseline=baseline, min_delay_reduction_pct=float(least_pct), min_trainings=fewest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict with its numbers.

    Attributes:
        verdict: What the science says.
        reasons: Why, one sentence each.
        reduction_pct: Reduction of the mean delay against the baseline in percent; None where it is invalid.
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
) -> Judgement:
    """Judge the policy `rl` against the baseline.

    Args:
        results: Controller name -> its hours: `rl`, the baseline, `constant_ns`, `constant_ew`, `random`.
        criteria: The `criteria` block of a section's card.
        training: `gradient_updates`, `policy_digest_before`, `policy_digest_after` of the lineage; and, where
            another model than the last was evaluated, its `policy_digest_evaluated`.
        settings: The crossing.
        bootstrap: How scenarios are resampled.
        more_faults: What else was found against the comparison, one sentence each.

    Raises:
        ValueError: The criteria make no sense, or the bootstrap were drawn for another number of scenarios.
    """
    criterion = Criterion.from_mapping(criteria)
    faults = (
        *_training_faults(training),
        *more_faults,
        *comparison_faults(results, baseline=criterion.baseline, settings=settings),
    )
    if faults:
        return Judgement(verdict=Verdict.INVALID, reasons=faults)
    policy_s, baseline_s = (results[name].delay_s_per_veh for name in (POLICY, criterion.baseline))
    reduction = reduction_pct(policy_s, baseline_s, bootstrap)
    numbers = (
        f"{POLICY} delays by {_told(mean_estimate(policy_s, bootstrap))} s/veh and {criterion.baseline} by"
        f" {_told(mean_estimate(baseline_s, bootstrap))} s/veh on the same {len(policy_s)} test scenarios:"
        f" {_change(reduction)}."
    )
    verdict, why = _against(criterion, reduction, len(policy_s))
    strongest = _beside_the_strongest(results, criterion.baseline, bootstrap)
    reasons = (numbers, why, *strongest, _of_one_training(criterion))
    return Judgement(verdict=verdict, reasons=reasons, reduction_pct=reduction)


def _of_one_training(criterion: Criterion) -> str:
    """What such a verdict is about: a policy, never the algorithm that made it."""
    of_one = "This judges one trained policy: the interval is over demand scenarios and says nothing of other trainings"
    if criterion.min_trainings == 1:
        return f"{of_one}."
    return f"{of_one}; a claim about the algorithm needs {criterion.min_trainings}."


def _beside_the_strongest(
    results: Mapping[str, EvaluationResult], baseline: str, bootstrap: Bootstrap
) -> Iterator[str]:
    """The best of all others, where it is not the baseline: whoever beats a weak one only shall not look better."""
    others = {name: hours.delay_s_per_veh for name, hours in results.items() if name != POLICY}
    strongest = min(others, key=lambda name: float(others[name].mean()))
    if strongest != baseline:
        reduction = reduction_pct(results[POLICY].delay_s_per_veh, others[strongest], bootstrap)
        its_s = _told(mean_estimate(others[strongest], bootstrap))
        yield (
            f"The best of the other controllers is {strongest} with {its_s} s/veh:"
            f" {POLICY} delays by {_change(reduction)}."
        )


def _against(criterion: Criterion, reduction: Estimate, n_scenarios: int) -> tuple[Verdict, str]:
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
    """Why the policy cannot be the outcome of a training."""
    updates = training.get("gradient_updates")
    if isinstance(updates, bool) or not isinstance(updates, int | float) or not math.isfinite(updates):
        yield "The training does not say how many gradient updates it made."
    elif updates <= 0:
        yield f"The training made {updates} gradient updates: nothing was learned."
    before, after = training.get("policy_digest_before"), training.get("policy_digest_after")
    if not before or not after:
        yield "The training does not state the digests of the policy before and after it."
    elif before == after:
        yield f"The policy has the same parameters before and after the training (digest {str(before)[:12]})."
    elif training.get("policy_digest_evaluated", after) == before:
        yield f"The policy that was evaluated is the untrained one (digest {str(before)[:12]})."


def _change(reduction: Estimate) -> str:
    """A reduction in words; a negative one is more."""
    return f"{_told(reduction)} % less" if reduction.value >= 0.0 else f"{_told(_turned(reduction))} % more"


def _turned(estimate: Estimate) -> Estimate:
    """The same estimate counted the other way."""
    return Estimate(value=-estimate.value, low=-estimate.high, high=-estimate.low)


def _told(estimate: Estimate) -> str:
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"
