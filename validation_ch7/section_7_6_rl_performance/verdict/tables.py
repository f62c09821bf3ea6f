"""The comparison as CSV and as plain JSON; every row has the stamp of the session that made the table.

A result that an earlier session measured has that session in `from_session`.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from validation_ch7.section_7_6_rl_performance.evaluation.evaluation import EvaluationResult, measure_names
from validation_ch7.section_7_6_rl_performance.verdict.statistics import (
    Bootstrap,
    Estimate,
    interquartile_mean,
    mean_estimate,
    probability_of_improvement,
    reduction_pct,
)
from validation_ch7.section_7_6_rl_performance.verdict.tail import Tail
from validation_ch7.section_7_6_rl_performance.verdict.verdict import ACTUATED, Judgement, tail_between

Row = dict[str, Any]
NO_SESSION: Mapping[str, str] = {}

_MEANS = (
    "worst_approach_s_per_veh",
    "stops_per_veh",
    "throughput",
    "mean_speed_m_s",
    "mean_queue_veh",
    "reward_sum",
    "n_switches",
    "n_forced_switches",
)


def comparison_rows(
    results: Mapping[str, EvaluationResult],
    *,
    baseline: str,
    bootstrap: Bootstrap,
    from_session: Mapping[str, str] = NO_SESSION,
    hardest_pct: float | None = None,
) -> list[Row]:
    """One row per controller, in the given order; unknown values are None, never NaN.

    Args:
        results: Controller name -> its result.
        hardest_pct: Share of the hardest scenarios in percent; None for the default.
        baseline: Controller that the reductions refer to; itself and results not paired with it get None.
        bootstrap: Resampling of the scenarios.
        from_session: Controller name -> the earlier session that measured it; the others are of this session.
    """
    return [
        {
            **_row(name, result, results.get(baseline), bootstrap, hardest_pct),
            **_against_actuated(result, results.get(ACTUATED), bootstrap),
            "from_session": from_session.get(name),
        }
        for name, result in results.items()
    ]


def comparison_csv(rows: list[Row], stamp: Mapping[str, Any]) -> str:
    """The rows as CSV text with LF line ends; the last columns of every row are the stamp."""
    return _csv([{**row, **stamp} for row in rows])


def scenarios_csv(results: Mapping[str, EvaluationResult], stamp: Mapping[str, Any]) -> str:
    """Every scenario of every controller as CSV text: the data behind the means."""
    rows = [
        {
            "controller": name,
            "split": result.split.name.lower(),
            "scenario": result.first_index + place,
            **_scenario(result, place),
            **stamp,
        }
        for name, result in results.items()
        for place in range(result.n_scenarios)
    ]
    return _csv(rows)


def comparison_json(
    rows: list[Row], *, judgement: Judgement, criteria: Mapping[str, Any], stamp: Mapping[str, Any]
) -> dict[str, Any]:
    """The comparison with its verdict as plain JSON; every number is finite or None."""
    return {
        "stamp": dict(stamp),
        "criteria": dict(criteria),
        "verdict": judgement.verdict.value,
        "verdict_reasons": list(judgement.reasons),
        "delay_reduction_pct": _estimate("", judgement.reduction_pct),
        "against_actuated_pct": _estimate("", judgement.against_actuated_pct),
        "criteria_of_the_tail": [finding.to_json() for finding in judgement.findings],
        "controllers": {row["controller"]: dict(row) for row in rows},
    }


def _row(
    name: str,
    result: EvaluationResult,
    baseline: EvaluationResult | None,
    bootstrap: Bootstrap,
    hardest_pct: float | None,
) -> Row:
    delay_s = result.delay_s_per_veh
    finite = all(math.isfinite(value) for value in delay_s) and len(delay_s) == bootstrap.n_scenarios
    row: Row = {
        "controller": name,
        "split": result.split.name.lower(),
        "first_scenario": result.first_index,
        "n_scenarios": result.n_scenarios,
        **_estimate("delay_s_per_veh", mean_estimate(delay_s, bootstrap) if finite else None),
        "delay_iqm_s_per_veh": _finite(interquartile_mean(delay_s)),
        "delay_max_s_per_veh": _finite(delay_s.max()),
        **_against_baseline(result, baseline, bootstrap),
    }
    for measure in _MEANS:
        row[measure] = _finite(getattr(result, measure).mean())
    row["longest_forced_s"] = _finite(result.longest_forced_s.max())
    asked = result.action_counts.sum(axis=0)
    row["share_asked_ns"] = _finite(asked[0] / max(1, asked.sum()))
    return row | _tail(result, baseline, bootstrap, hardest_pct)


def _against_baseline(result: EvaluationResult, baseline: EvaluationResult | None, bootstrap: Bootstrap) -> Row:
    reduction, better = None, None
    if baseline is not None and _comparable(result, baseline, bootstrap):
        values_s, of_baseline_s = result.delay_s_per_veh, baseline.delay_s_per_veh
        better = probability_of_improvement(values_s, of_baseline_s)
        if of_baseline_s.min() > 0.0:  # false for NaN as well
            reduction = reduction_pct(values_s, of_baseline_s, bootstrap)
    return {**_estimate("delay_reduction_pct", reduction), "probability_of_improvement": better}


def _against_actuated(result: EvaluationResult, actuated: EvaluationResult | None, bootstrap: Bootstrap) -> Row:
    reduction = None
    if actuated is not None and _comparable(result, actuated, bootstrap) and actuated.delay_s_per_veh.min() > 0.0:
        reduction = reduction_pct(result.delay_s_per_veh, actuated.delay_s_per_veh, bootstrap)
    return _estimate("delay_reduction_against_actuated_pct", reduction)


def _tail(
    result: EvaluationResult, baseline: EvaluationResult | None, bootstrap: Bootstrap, hardest_pct: float | None
) -> Row:
    tail: Tail | None = None
    if (
        baseline is not None
        and _comparable(result, baseline, bootstrap)
        and baseline.delay_s_per_veh.min() > 0.0
        and all(np.isfinite(one.worst_approach_s_per_veh).all() for one in (result, baseline))
    ):
        tail = tail_between(result, baseline, hardest_pct=hardest_pct, bootstrap=bootstrap)
    return {
        "delay_ratio_max": None if tail is None else _finite(tail.largest_ratio),
        **_estimate("hardest_reduction_pct", None if tail is None else tail.hardest_reduction_pct),
        **_estimate("worst_approach_reduction_pct", None if tail is None else tail.worst_approach_reduction_pct),
    }


def _comparable(result: EvaluationResult, baseline: EvaluationResult, bootstrap: Bootstrap) -> bool:
    """Whether a result is another one than the baseline's, paired with it, and finite."""
    delay_s = result.delay_s_per_veh
    finite = bool(np.isfinite(delay_s).all()) and len(delay_s) == bootstrap.n_scenarios
    return baseline is not result and finite and _paired(result, baseline)


def _paired(result: EvaluationResult, baseline: EvaluationResult) -> bool:
    ours = (result.split, result.first_index, result.n_scenarios)
    return ours == (baseline.split, baseline.first_index, baseline.n_scenarios)


def _scenario(result: EvaluationResult, place: int) -> Row:
    values = {name: getattr(result, name)[place] for name in measure_names()}
    asked_ns, asked_ew = values.pop("action_counts")
    return {name: _plain(value) for name, value in values.items()} | {
        "asked_ns": int(asked_ns),
        "asked_ew": int(asked_ew),
    }


def _plain(value: Any) -> float | int | None:
    """A numpy number as a Python number; integers stay integers."""
    number = value.item()
    return number if isinstance(number, int) else _finite(number)


def _estimate(name: str, estimate: Estimate | None) -> Row:
    """The three columns of an estimate; without a name: `value`, `ci95_low`, `ci95_high`."""
    first, before = (name, f"{name}_") if name else ("value", "")
    if estimate is None:
        return {first: None, f"{before}ci95_low": None, f"{before}ci95_high": None}
    return {
        first: _finite(estimate.value),
        f"{before}ci95_low": _finite(estimate.low),
        f"{before}ci95_high": _finite(estimate.high),
    }


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _csv(rows: list[Row]) -> str:
    """CSV text; None becomes an empty field."""
    if not rows:
        return ""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
