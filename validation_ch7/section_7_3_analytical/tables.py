"""The findings as CSV, plain JSON and LaTeX; all with the stamp of the session that measured them."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.kernel.outcome import Verdict
from validation_ch7.figures.latex import latex_comment, latex_line, latex_text
from validation_ch7.section_7_3_analytical.checks.finding import Finding
from validation_ch7.section_7_3_analytical.verdict import Judgement

Row = dict[str, Any]

_HEAD = ("Check", "Case", "Quantity", "Value", "Limit")


def finding_rows(found: Sequence[Finding]) -> list[Row]:
    """One row for each number; a number that is not finite is None."""
    return [
        {
            "check": one.check,
            "case": one.case,
            "quantity": one.quantity,
            "unit": one.unit,
            "value": one.value if one.is_finite else None,
            "low": one.low,
            "high": one.high,
            "exact": one.exact if one.exact is not None and math.isfinite(one.exact) else None,
            "passes": one.passes,
        }
        for one in found
    ]


def findings_csv(found: Sequence[Finding], stamp: Mapping[str, Any]) -> str:
    """The rows as CSV text with LF line ends; the last columns of every row are the stamp."""
    return as_csv(finding_rows(found), stamp)


def as_csv(rows: Sequence[Row], stamp: Mapping[str, Any]) -> str:
    """Any rows with equal keys as CSV text with LF line ends; the last columns of every row are the stamp."""
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, [*rows[0], *stamp], lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, **stamp} for row in rows)
    return text.getvalue()


def findings_json(
    found: Sequence[Finding], *, judgement: Judgement, criteria: Mapping[str, Any], stamp: Mapping[str, Any]
) -> dict[str, Any]:
    """The findings with their verdict as plain JSON; every number is finite or None."""
    return {
        "stamp": dict(stamp),
        "criteria": dict(criteria),
        "verdict": judgement.verdict.value,
        "verdict_reasons": list(judgement.reasons),
        "findings": finding_rows(found),
    }


def findings_latex(found: Sequence[Finding], *, judgement: Judgement, stamp: Mapping[str, Any]) -> str:
    """The findings as a `longtable` with LF line ends; needs the packages booktabs and longtable."""
    lines = [
        latex_comment("stamp: " + " ".join(f"{name}={value}" for name, value in stamp.items())),
        latex_comment(f"verdict: {judgement.verdict.value}"),
        *(latex_comment(reason) for reason in judgement.reasons),
        r"\begin{longtable}{llp{5.2cm}rr}",
        r"  \caption{The traffic solver against exact solutions: each measured number and the limit that was fixed"
        r" before the run. Numbers outside their limits are bold.}",
        r"  \label{tab:analytical-validation} \\",
        r"    \toprule",
        latex_line(_HEAD),
        r"    \midrule",
        r"    \endhead",
    ]
    for before, one in zip([None, *found], found, strict=False):
        if before is not None and before.check != one.check:
            lines.append(r"    \midrule")
        lines.append(latex_line(_cells(one, "" if before is not None and before.check == one.check else one.check)))
    if judgement.verdict is Verdict.INVALID:
        warning = rf"\multicolumn{{{len(_HEAD)}}}{{l}}{{\textbf{{Invalid: do not use these numbers.}}}}"
        lines += [r"    \midrule", latex_line((warning,))]
    lines += [r"    \bottomrule", r"\end{longtable}"]
    return "\n".join(lines) + "\n"


def _cells(one: Finding, check: str) -> tuple[str, ...]:
    value = _number(one.value) + (rf"\,{latex_text(one.unit)}" if one.unit else "")
    return (
        latex_text(check),
        latex_text(one.case),
        latex_text(one.quantity),
        value if one.passes else rf"\textbf{{{value}}}",
        _limits(one),
    )


def _limits(one: Finding) -> str:
    if one.low is not None and one.high is not None:
        return f"{_number(one.low)} to {_number(one.high)}"
    return rf"$\geq$ {_number(one.low)}" if one.low is not None else rf"$\leq$ {_number(one.high)}"


def _number(value: float | None) -> str:
    """Three significant digits in math mode; a power of ten where that is shorter."""
    if value is None or not math.isfinite(value):
        return "--"
    mantissa, mark, power = f"{value:.3g}".partition("e")
    return rf"${mantissa} \cdot 10^{{{int(power)}}}$" if mark else f"${mantissa}$"
