"""The verdict on the solver: supported, not supported, or invalid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.kernel.outcome import Verdict
from validation_ch7.section_7_3_analytical.checks.finding import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict with its reasons, one sentence each; the first one is the headline."""

    verdict: Verdict
    reasons: tuple[str, ...]


def judge(found: Sequence[Finding], *, expected: Sequence[str], failures: Mapping[str, str]) -> Judgement:
    """Judge the findings of all checks.

    Args:
        found: The measured numbers.
        expected: Names of the checks that must have measured something.
        failures: Check -> why it did not run to its end.

    Returns:
        `INVALID` if a check did not run or a number is not finite; `NOT_SUPPORTED` if a number misses its limits.
    """
    faults = tuple(f"The check {name} did not run: {why}." for name, why in failures.items())
    measured = {one.check for one in found}
    missing = [name for name in expected if name not in measured and name not in failures]
    faults += tuple(f"The check {name} measured nothing." for name in missing)
    faults += tuple(
        f"{one.check}, {one.case}: {one.quantity} is not a finite number." for one in found if not one.is_finite
    )
    if faults:
        return Judgement(verdict=Verdict.INVALID, reasons=faults)
    missed = [one for one in found if not one.passes]
    n_checks = len(expected)
    if missed:
        headline = f"The solver misses {len(missed)} of {len(found)} limits of the card in {n_checks} checks."
        return Judgement(verdict=Verdict.NOT_SUPPORTED, reasons=(headline, *(f"{one}." for one in missed)))
    headline = f"The solver meets all {len(found)} limits of the card in {n_checks} checks."
    return Judgement(verdict=Verdict.SUPPORTED, reasons=(headline, *_ranges(found, expected)))


def _ranges(found: Sequence[Finding], expected: Sequence[str]) -> Iterator[str]:
    """One sentence for each check: every quantity with its worst value over all cases."""
    for name in expected:
        quantities: dict[str, list[Finding]] = {}
        for one in found:
            if one.check == name:
                quantities.setdefault(one.quantity, []).append(one)
        n_numbers = sum(map(len, quantities.values()))
        noun = "number" if n_numbers == 1 else "numbers"
        yield f"{name}, {n_numbers} {noun}: {', '.join(map(_range, quantities.values()))}."


def _range(of_quantity: list[Finding]) -> str:
    values, first = [one.value for one in of_quantity], of_quantity[0]
    unit = f" {first.unit}" if first.unit else ""
    if first.low is None:
        shown = f"up to {max(values):.3g}"
    elif first.high is None:
        shown = f"from {min(values):.3g}"
    else:
        shown = f"{min(values):.3g} to {max(values):.3g}"
    return f"{first.quantity} {shown}{unit} ({first.limits})"
