"""The criteria of the tail, judged for one training or for several together.

Each is judged by its whole 95 % interval, as the mean is; the largest ratio has none, and one scenario above the limit
refutes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from orchestrator.kernel.outcome import Verdict
from validation_ch7.section_7_6_rl_performance.schema import Criteria
from validation_ch7.section_7_6_rl_performance.verdict.statistics import Estimate
from validation_ch7.section_7_6_rl_performance.verdict.tail import Tail

INTERVAL_WORDS = {
    Verdict.SUPPORTED: "the whole 95 % interval reaches it",
    Verdict.NOT_SUPPORTED: "the whole 95 % interval lies below it",
    Verdict.INCONCLUSIVE: "it lies inside the 95 % interval",
}
"""How an interval stands to a required value."""

_WORDS = {
    Verdict.SUPPORTED: "met",
    Verdict.NOT_SUPPORTED: "missed",
    Verdict.INCONCLUSIVE: "open",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One criterion of the tail with what was measured.

    Attributes:
        criterion: Its key in the card.
        required: Its value in the card.
        measured: The measured value; an interval without width if there is none.
        verdict: Whether it is met (`supported`), missed, or inconclusive.
        text: All of it in one sentence, without the full stop.
    """

    criterion: str
    required: float
    measured: Estimate
    verdict: Verdict
    text: str

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; `missed_by` is 0 if it is met."""
        value = self.measured.value
        gap = value - self.required if self.criterion.startswith("max_") else self.required - value
        return {
            "criterion": self.criterion,
            "required": self.required,
            "value": value,
            "ci95_low": self.measured.low,
            "ci95_high": self.measured.high,
            "missed_by": max(0.0, gap),
            "verdict": self.verdict.value,
            "text": self.text,
        }


def tail_findings(
    tail: Tail, criterion: Criteria, *, who: str, first_scenario: int = 0, seeds: Sequence[int] = ()
) -> tuple[Finding, ...]:
    """The criteria of the tail that the card states, each with its result.

    Args:
        tail: The measures.
        criterion: The criteria of the card.
        who: Name of the policy in the sentences.
        first_scenario: Index of the first scenario.
        seeds: Seed of each training; empty for a single one.
    """
    return tuple(_findings(tail, criterion, who, first_scenario, seeds))


def _findings(
    tail: Tail, criterion: Criteria, who: str, first_scenario: int, seeds: Sequence[int]
) -> Iterator[Finding]:
    baseline = criterion.baseline
    if criterion.max_delay_ratio is not None:
        yield _ratio_finding(tail, criterion, who, first_scenario, seeds)
    intervals = (
        (
            "min_hardest_reduction_pct",
            tail.hardest_reduction_pct,
            f"in the {tail.n_hardest} scenarios that are hardest for {baseline}, {who} delays by {{}}",
        ),
        (
            "min_worst_approach_reduction_pct",
            tail.worst_approach_reduction_pct,
            f"at the worst approach {who} delays by {{}}",
        ),
    )
    for name, measured, words in intervals:
        required = getattr(criterion, name)
        if required is not None:
            sentence = words.format(f"{change(measured)} than {baseline}")
            yield _finding(name, required, measured, f"{sentence} (required: {_required(required)})")
    if criterion.min_better_pct is not None:
        least = criterion.min_better_pct
        text = f"{who} delays less than {baseline} in {tail.better_pct} % of the scenarios (required: {least:g} %)"
        yield _finding("min_better_pct", least, tail.better_pct, text)


def _ratio_finding(tail: Tail, criterion: Criteria, who: str, first_scenario: int, seeds: Sequence[int]) -> Finding:
    most, baseline = cast("float", criterion.max_delay_ratio), criterion.baseline
    training, scenario = tail.largest_at
    of_seed = f" of seed {seeds[training]}" if seeds else ""
    own_s, of_baseline_s = tail.largest_s
    verdict = Verdict.SUPPORTED if tail.largest_ratio <= most else Verdict.NOT_SUPPORTED
    text = (
        f"max_delay_ratio is {_WORDS[verdict]}: the largest ratio is {tail.largest_ratio:.2f}, in scenario"
        f" {first_scenario + scenario}{of_seed}, where {who} delays by {own_s:.2f} s/veh and {baseline} by"
        f" {of_baseline_s:.2f} s/veh (allowed: {most:g}"
    )
    if verdict is Verdict.NOT_SUPPORTED:
        n_trainings, n_scenarios = tail.ratios.shape
        number = f"{n_trainings} x {n_scenarios}" if n_trainings > 1 else str(n_scenarios)
        above = int((tail.ratios > most).sum())
        text += f"; exceeded by {tail.largest_ratio - most:.2f}, in {above} of {number} scenarios"
    only = Estimate(value=tail.largest_ratio, low=tail.largest_ratio, high=tail.largest_ratio)
    return Finding(criterion="max_delay_ratio", required=most, measured=only, verdict=verdict, text=f"{text})")


def _finding(name: str, required: float, measured: Estimate, words: str) -> Finding:
    verdict = by_interval(measured, required)
    text = f"{name} is {_WORDS[verdict]}: {words.removesuffix(')')}"
    if verdict is Verdict.NOT_SUPPORTED:
        text += f"; missed by {required - measured.value:.2f} percentage points"
    elif verdict is Verdict.INCONCLUSIVE:
        text += f"; {INTERVAL_WORDS[verdict]}"
    return Finding(criterion=name, required=required, measured=measured, verdict=verdict, text=f"{text})")


def _required(least_pct: float) -> str:
    if least_pct == 0.0:
        return "no more"
    return f"{least_pct:g} % less" if least_pct > 0.0 else f"at most {-least_pct:g} % more"


def by_interval(measured: Estimate, least: float) -> Verdict:
    """Whether the whole interval reaches a value, lies below it, or neither; an undefined interval does neither."""
    if measured.low >= least:
        return Verdict.SUPPORTED
    return Verdict.NOT_SUPPORTED if measured.high < least else Verdict.INCONCLUSIVE


def joined(mean: Verdict, findings: tuple[Finding, ...]) -> Verdict:
    """The verdict on all criteria: one that is missed refutes the claim, one that is open leaves it open."""
    verdicts = {mean, *(finding.verdict for finding in findings)}
    for worse in (Verdict.NOT_SUPPORTED, Verdict.INCONCLUSIVE):
        if worse in verdicts:
            return worse
    return mean


def why_not(mean: Verdict, findings: tuple[Finding, ...]) -> Iterator[str]:
    """Why the criteria of the tail change the verdict on the mean, in one sentence; nothing if they do not."""
    verdict = joined(mean, findings)
    if verdict is mean:
        return
    names = [one.criterion for one in findings if one.verdict is verdict]
    state = _WORDS[verdict]
    verb = "is" if len(names) == 1 else "are"
    yield f"The claim is {verdict.value.replace('_', ' ')} for its tail: {' and '.join(names)} {verb} {state}"


def change(reduction: Estimate) -> str:
    """A reduction in words: `... % less`, or `... % more` if it is negative."""
    if reduction.value >= 0.0:
        return f"{reduction} % less"
    return f"{Estimate(value=-reduction.value, low=-reduction.high, high=-reduction.low)} % more"
