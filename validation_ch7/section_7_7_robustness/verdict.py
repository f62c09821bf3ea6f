"""The verdict on the policies: robust by the card's criteria, not robust, inconclusive, or invalid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from orchestrator.kernel.outcome import Verdict
from validation_ch7.section_7_7_robustness.conditions.family import Condition
from validation_ch7.section_7_7_robustness.estimates import POLICIES, Row
from validation_ch7.section_7_7_robustness.evaluation.hours import MEASURES
from validation_ch7.section_7_7_robustness.evaluation.study import Study
from validation_ch7.section_7_7_robustness.schema import Criteria

TRAINS = "python -m orchestrator run section_7_6"
COLLECTS = "python -m validation_ch7.section_7_7_robustness.collect"
WITHOUT_POLICY = (
    f"There is no trained policy: only classical controllers were evaluated. Train one with `{TRAINS}`, collect it with"
    f" `{COLLECTS}`, then run this section again."
)
_NAMED_DIGITS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict with its reasons, one sentence each; the first one is the headline."""

    verdict: Verdict
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    """A family, or the single hours, against its limit."""

    verdict: Verdict
    text: str


def judge(study: Study, rows: Sequence[Row], criteria: Criteria) -> Judgement:
    """Judge the policies.

    Returns:
        `INVALID` if a number is not finite, was not reproduced, or controllers had different arrivals; `INCONCLUSIVE`
        without a policy, or if an interval contains its limit; `NOT_SUPPORTED` if a limit is missed at any severity.
    """
    if faults := tuple(_faults(study)):
        return Judgement(verdict=Verdict.INVALID, reasons=faults)
    pooled = [row for row in rows if row.controller == POLICIES]
    if not pooled:
        return Judgement(verdict=Verdict.INCONCLUSIVE, reasons=(WITHOUT_POLICY,))
    findings = [*_of_families(pooled, criteria), _of_hours(rows, criteria)]
    missed = [one for one in findings if one.verdict is Verdict.NOT_SUPPORTED]
    verdict = next(
        (one for one in (Verdict.NOT_SUPPORTED, Verdict.INCONCLUSIVE) if any(one is f.verdict for f in findings)),
        Verdict.SUPPORTED,
    )
    n_policies = pooled[0].n_policies
    noun = "policy" if n_policies == 1 else "policies"
    met = sum(one.verdict is Verdict.SUPPORTED for one in findings)
    headline = (
        f"{n_policies} trained {noun} in {len(pooled)} conditions of {pooled[0].n_hours} hours each: {met} of"
        f" {len(findings)} criteria are met, {len(missed)} missed."
    )
    digests = ", ".join(policy.digest[:_NAMED_DIGITS] for policy in study.setting.policies)
    judged = f"This judges the {noun} {digests}; a claim about the algorithm needs 10 trainings."
    reasons = (headline, *(one.text for one in findings), *((judged,) if n_policies < 10 else ()))
    return Judgement(verdict=verdict, reasons=reasons)


def _of_families(pooled: Sequence[Row], criteria: Criteria) -> Iterator[_Finding]:
    by_family: dict[str, list[Row]] = {}
    for row in pooled:
        by_family.setdefault(row.condition.name, []).append(row)
    for family, rows in by_family.items():
        limit = criteria.max_ratio[family]
        known = [(row.condition, row.ratio) for row in rows if row.ratio is not None]
        condition, worst = max(known, key=lambda one: one[1].value)
        if any(ratio.low > limit for _, ratio in known):
            verdict, word = Verdict.NOT_SUPPORTED, "misses"
        elif all(ratio.high <= limit for _, ratio in known):
            verdict, word = Verdict.SUPPORTED, "meets"
        else:
            verdict, word = Verdict.INCONCLUSIVE, "has an interval around"
        yield _Finding(
            verdict=verdict,
            text=f"{family} {word} the limit {limit:g}: the largest ratio to actuated is {worst}{_at(condition)}.",
        )


def _of_hours(rows: Sequence[Row], criteria: Criteria) -> _Finding:
    of_policies = [row for row in rows if row.n_policies and row.largest_hour_ratio is not None]
    worst = max(of_policies, key=lambda row: row.largest_hour_ratio or 0.0)
    largest = worst.largest_hour_ratio or 0.0
    meets = largest <= criteria.max_hour_ratio
    return _Finding(
        verdict=Verdict.SUPPORTED if meets else Verdict.NOT_SUPPORTED,
        text=f"single hours {'meet' if meets else 'miss'} the limit {criteria.max_hour_ratio:g}: the largest ratio to"
        f" actuated in one hour is {largest:.2f}, under {worst.condition}.",
    )


def _at(condition: Condition) -> str:
    return f", at severity {condition.severity:g}" if condition.family else ""


def _faults(study: Study) -> Iterator[str]:
    yield from study.repeat_faults
    for condition, results in study.results.items():
        for name, hours in results.items():
            for measure in MEASURES:
                if not np.isfinite(getattr(hours, measure)).all():
                    yield f"{name} under {condition}: {measure} is not a finite number."
        arrived = [hours.arrived_veh for hours in results.values()]
        if any(not np.array_equal(one, arrived[0]) for one in arrived):
            yield f"Under {condition} the controllers had different arrivals."
        if any(not (hours.delay_s_per_veh > 0.0).all() for hours in results.values()):
            yield f"Under {condition} an hour has no delay: nothing was simulated."
