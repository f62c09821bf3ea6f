r"""The comparison as a LaTeX table (booktabs), to be included with `\input`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.kernel.outcome import Verdict
from validation_ch7.figures.latex import latex_comment, latex_line, latex_text
from validation_ch7.section_7_6_rl_performance.figures.style import label_of
from validation_ch7.section_7_6_rl_performance.verdict.findings import change
from validation_ch7.section_7_6_rl_performance.verdict.tables import Row
from validation_ch7.section_7_6_rl_performance.verdict.verdict import Judgement

_UNKNOWN = "--"
_HEADS = (
    (r"", r"Mean", r"95\,\% interval", r"IQM", r"Reduction", r"95\,\% interval", r"$P$", r"Stops", r"Served"),
    (r"Controller", r"(s)", r"(s)", r"(s)", r"(\%)", r"(\%)", r"", r"per veh", r"(\%)"),
)


def comparison_latex(rows: Sequence[Row], *, baseline: str, judgement: Judgement, stamp: Mapping[str, Any]) -> str:
    """The rows as a `table` with LF line ends; needs only the package booktabs.

    Args:
        rows: One per controller, as for the CSV; unknown values are None and become a dash.
        baseline: Controller that the reductions refer to.
        judgement: The verdict; an invalid comparison is marked in the table.
        stamp: Stamp of the measuring session; written as comment lines at the top.
    """
    lines = [
        latex_comment("stamp: " + " ".join(f"{name}={value}" for name, value in stamp.items())),
        latex_comment(f"verdict: {judgement.verdict.value}"),
        *(latex_comment(reason) for reason in judgement.reasons),
        *(latex_comment(f"{row['controller']}: from session {row['from_session']}") for row in rows if _is_kept(row)),
        r"\begin{table}[htbp]",
        r"  \centering",
        rf"  \caption{{{_caption(rows, baseline)}}}",
        r"  \label{tab:rl-performance-comparison}",
        r"  \begin{tabular}{lrcrrcrrr}",
        r"    \toprule",
        *(latex_line(head) for head in _HEADS),
        r"    \midrule",
        *(latex_line(_cells(row)) for row in rows),
    ]
    if judgement.verdict is Verdict.INVALID:
        warning = rf"\multicolumn{{{len(_HEADS[0])}}}{{l}}{{\textbf{{Invalid comparison: do not use.}}}}"
        lines += [r"    \midrule", latex_line((warning,))]
    elif notes := list(_notes(judgement)):
        lines += [r"    \midrule", *(latex_line((_note(note),)) for note in notes)]
    lines += [r"    \bottomrule", r"  \end{tabular}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def _notes(judgement: Judgement) -> Iterator[str]:
    """Where the policy stands against actuated control, and the criteria of the tail."""
    against = judgement.against_actuated_pct
    if against is not None:
        yield f"The learned policy has {change(against)} delay than the tuned actuated controller."
    yield from (f"{finding.text}." for finding in judgement.findings)


def _note(text: str) -> str:
    return rf"\multicolumn{{{len(_HEADS[0])}}}{{p{{0.95\linewidth}}}}{{{latex_text(text)}}}"


def _is_kept(row: Row) -> bool:
    return row.get("from_session") is not None


def _caption(rows: Sequence[Row], baseline: str) -> str:
    n_scenarios = max((row["n_scenarios"] for row in rows), default=0)
    name = latex_text(label_of(baseline))
    return (
        f"Delay per vehicle over {n_scenarios} unseen test scenarios: mean with its bootstrap interval, interquartile"
        rf" mean (IQM), reduction of the mean against {name}, probability $P$ of less delay than {name} in the same"
        r" scenario, stops per vehicle, and share of the vehicles that left within the scenario."
    )


def _cells(row: Row) -> tuple[str, ...]:
    better, served = row["probability_of_improvement"], row["throughput"]
    return (
        latex_text(label_of(row["controller"])),
        _number(row["delay_s_per_veh"]),
        _interval(row, "delay_s_per_veh"),
        _number(row["delay_iqm_s_per_veh"]),
        _number(row["delay_reduction_pct"]),
        _interval(row, "delay_reduction_pct"),
        _number(better, digits=2),
        _number(row["stops_per_veh"], digits=2),
        _number(None if served is None else 100.0 * served),
    )


def _interval(row: Row, name: str) -> str:
    low, high = row[f"{name}_ci95_low"], row[f"{name}_ci95_high"]
    if low is None or high is None:
        return _UNKNOWN
    return f"[{_number(low)}, {_number(high)}]"


def _number(value: float | None, digits: int = 1) -> str:
    """In math mode, which prints a minus sign instead of a hyphen."""
    return _UNKNOWN if value is None else f"${value:.{digits}f}$"
