"""The results as CSV, plain JSON and LaTeX; all with the stamp of the session that made them."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.kernel.outcome import Verdict
from validation_ch7.figures.latex import latex_comment, latex_line, latex_text
from validation_ch7.section_7_6_rl_performance.figures.style import label_of
from validation_ch7.section_7_6_rl_performance.verdict.statistics import Estimate
from validation_ch7.section_7_7_robustness.estimates import Row
from validation_ch7.section_7_7_robustness.evaluation.hours import MEASURES
from validation_ch7.section_7_7_robustness.evaluation.study import Study
from validation_ch7.section_7_7_robustness.schema import BASELINE
from validation_ch7.section_7_7_robustness.verdict import Judgement

Plain = dict[str, Any]
_UNKNOWN = "--"
_HEAD = ("Condition", "Severity", "Controller", "Delay (s)", r"95\,\% interval", "Ratio", r"95\,\% interval", "Better")


def plain_rows(rows: Sequence[Row]) -> list[Plain]:
    """One mapping for each row; a number that is not finite or does not exist is None."""
    return [
        {
            "family": row.condition.name,
            "severity": row.condition.severity,
            "controller": row.controller,
            "n_policies": row.n_policies,
            "n_hours": row.n_hours,
            **_estimate("delay_s_per_veh", row.delay_s),
            **_estimate("ratio_to_actuated", row.ratio),
            "largest_hour_ratio": row.largest_hour_ratio,
            "hardest_hours_ratio": row.hardest_ratio,
            "share_of_hours_better": row.better,
            "worst_approach_s_per_veh": _finite(row.worst_approach_s),
            "throughput": _finite(row.throughput),
            "n_forced_switches": _finite(row.n_forced_switches),
        }
        for row in rows
    ]


def rows_csv(rows: Sequence[Row], stamp: Mapping[str, Any]) -> str:
    """The rows as CSV text with LF line ends; the last columns of every row are the stamp."""
    return _csv([{**row, **stamp} for row in plain_rows(rows)])


def hours_csv(study: Study, nonce: str) -> str:
    """Every hour of every controller under every condition; the last column is the nonce of the session."""
    return _csv(
        [
            {
                "family": condition.name,
                "severity": condition.severity,
                "controller": name,
                "hour": hour,
                **{measure: _finite(getattr(hours, measure)[hour]) for measure in MEASURES},
                "nonce": nonce,
            }
            for condition, results in study.results.items()
            for name, hours in results.items()
            for hour in range(hours.n_hours)
        ]
    )


def results_json(
    study: Study, rows: Sequence[Row], *, judgement: Judgement, spec: Mapping[str, Any], stamp: Mapping[str, Any]
) -> Plain:
    """All rows with the verdict, the policies and the tuned parameters, as plain JSON."""
    return {
        "stamp": dict(stamp),
        "study": dict(spec["lineage"]["study"]),
        "criteria": dict(spec["criteria"]),
        "verdict": judgement.verdict.value,
        "verdict_reasons": list(judgement.reasons),
        "policies": {policy.name: policy.in_short() for policy in study.setting.policies},
        "tuned": {name: tuning.in_short() for name, tuning in study.tuned.items()},
        "rows": plain_rows(rows),
        "spent_s": {name: round(spent_s, 3) for name, spent_s in study.spent_s.items()},
    }


def rows_latex(rows: Sequence[Row], *, judgement: Judgement, stamp: Mapping[str, Any]) -> str:
    """The rows as a `longtable` with LF line ends; needs the packages booktabs and longtable.

    Single policies are left out where there are several; the CSV has them.
    """
    several = max((row.n_policies for row in rows), default=0) > 1
    shown = [row for row in rows if row.n_policies != 1 or (not several and row.controller == "rl")]
    lines = [
        latex_comment("stamp: " + " ".join(f"{name}={value}" for name, value in stamp.items())),
        latex_comment(f"verdict: {judgement.verdict.value}"),
        *(latex_comment(reason) for reason in judgement.reasons),
        r"\begin{longtable}{lrlrcrcr}",
        rf"  \caption{{{_caption(rows)}}}",
        r"  \label{tab:robustness} \\",
        r"    \toprule",
        latex_line(_HEAD),
        r"    \midrule",
        r"    \endhead",
    ]
    for before, row in zip([None, *shown], shown, strict=False):
        first = before is None or before.condition != row.condition
        if first and before is not None:
            lines.append(r"    \midrule")
        lines.append(latex_line(_cells(row, first=first)))
    if judgement.verdict is Verdict.INVALID:
        warning = rf"\multicolumn{{{len(_HEAD)}}}{{l}}{{\textbf{{Invalid: do not use these numbers.}}}}"
        lines += [r"    \midrule", latex_line((warning,))]
    lines += [r"    \bottomrule", r"\end{longtable}"]
    return "\n".join(lines) + "\n"


def _caption(rows: Sequence[Row]) -> str:
    n_hours = max((row.n_hours for row in rows), default=0)
    return (
        f"Delay per vehicle under each condition, over {n_hours} test hours: mean, its ratio to that of"
        f" {latex_text(label_of(BASELINE))} control in the same hours, and the share of hours with less delay than it."
        " Classical controllers were tuned once, on nominal demand."
    )


def _cells(row: Row, *, first: bool) -> tuple[str, ...]:
    return (
        latex_text(row.condition.name.replace("_", " ")) if first else "",
        f"${row.condition.severity:g}$" if first and row.condition.family else "",
        latex_text(label_of(row.controller)),
        _value(row.delay_s, 1),
        _interval(row.delay_s, 1),
        _value(row.ratio, 3),
        _interval(row.ratio, 3),
        _number(row.better, 2),
    )


def _value(estimate: Estimate | None, digits: int) -> str:
    return _number(None if estimate is None else estimate.value, digits)


def _interval(estimate: Estimate | None, digits: int) -> str:
    if estimate is None:
        return _UNKNOWN
    return f"[{_number(estimate.low, digits)}, {_number(estimate.high, digits)}]"


def _number(value: float | None, digits: int) -> str:
    return _UNKNOWN if value is None else f"${value:.{digits}f}$"


def _estimate(name: str, estimate: Estimate | None) -> Plain:
    value = estimate and _finite(estimate.value)
    low, high = (estimate and _finite(estimate.low)), (estimate and _finite(estimate.high))
    return {name: value, f"{name}_ci95_low": low, f"{name}_ci95_high": high}


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _csv(rows: list[Plain]) -> str:
    if not rows:
        return ""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
