"""The tables of a report on trainings. Columns for numbers follow what the section reports."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.core.proof.record import proof_line
from orchestrator.core.reporting.seed_statistics import Estimate, Statistic
from orchestrator.core.reporting.training import UNFINISHED, Training

Row = Mapping[str, Any]


def training_rows(trainings: Sequence[Training]) -> Iterator[Row]:
    """One row per training, with a column for each number."""
    for one in trainings:
        yield {
            **_about(one),
            "result": one.result,
            "steps": one.steps,
            "sessions": one.sessions,
            "seams": ";".join(map(str, one.curve.seams)),
            "wasted_steps": one.curve.wasted_steps,
            "resume_grade": one.resume_grade,
            "proof": proof_line(one.proof) if one.proof else "",
            **({"adopted": one.adopted} if one.adopted else {}),
            "wall_s": one.wall_s,
            "session": one.session,
            **dict(sorted(one.measured.items())),
        }


def curve_rows(trainings: Sequence[Training]) -> Iterator[Row]:
    """One row per evaluation. `seam` is 1 at the first evaluation of a session that continued another one."""
    for one in trainings:
        for place, point in enumerate(one.curve.points):
            earlier = one.curve.points[place - 1].session if place else point.session
            yield {
                **_about(one),
                "steps": point.steps,
                "score": point.score,
                "session": point.session,
                "seam": int(point.session != earlier),
                **{f"measure.{name}": value for name, value in sorted(point.measures.items())},
            }


def statistic_rows(statistics: Sequence[Statistic]) -> Iterator[Row]:
    """One row per group and number: mean and interquartile mean (IQM) over seeds with 95 % intervals."""
    for one in statistics:
        yield {
            "variant": one.variant,
            "profile": one.profile,
            "code": one.code_digest[:8],
            "target_steps": one.target_steps,
            "metric": one.metric,
            "n": one.n,
            "mean": one.mean.value,
            "mean_low": one.mean.low,
            "mean_high": one.mean.high,
            "iqm": one.iqm.value,
            "iqm_low": one.iqm.low,
            "iqm_high": one.iqm.high,
            "min": one.lowest,
            "max": one.highest,
        }


def _about(one: Training) -> dict[str, Any]:
    return {
        "variant": one.variant,
        "profile": one.profile,
        "code": one.code_digest[:8],
        "seed": one.seed,
        "lineage_id": one.lineage_id,
    }


def as_csv(rows: Sequence[Row]) -> str:
    """Rows as CSV with LF line ends: all columns that appear, in the order of their first row; empty without rows."""
    if not rows:
        return ""
    text = io.StringIO()
    columns = dict.fromkeys(name for row in rows for name in row)
    writer = csv.DictWriter(text, list(columns), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_latex(section: str, statistics: Sequence[Statistic], origin: Sequence[str]) -> str:
    r"""The statistics as a LaTeX table (booktabs), to be included with `\input`; empty without any.

    Args:
        origin: Comment lines with the source of the numbers.
    """
    if not statistics:
        return ""
    lines = [
        *(f"% {' '.join(line.split())}" for line in origin),
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{latex_text(section)}: mean and interquartile mean (IQM) over $n$ seeds, with percentile "
        r"bootstrap intervals of 95\,\% (too narrow below about eight seeds; none for one seed).}",
        rf"\label{{tab:{section}-seeds}}",
        r"\begin{tabular}{lllrll}",
        r"\toprule",
        r"Variant & Profile & Number & $n$ & Mean & IQM \\",
        r"\midrule",
    ]
    for name, one in zip(_names(statistics), statistics, strict=True):
        texts = map(latex_text, (name, one.profile, one.metric))
        cells = (*texts, str(one.n), _shown(one.mean), _shown(one.iqm))
        lines.append(" & ".join(cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def _so_far(one: Training, unfinished: Mapping[str, str]) -> str:
    """Result and steps of a training."""
    if one.result == UNFINISHED and one.lineage_id in unfinished:
        return f"{one.result}, {unfinished[one.lineage_id]}"
    if one.result != UNFINISHED and one.target_steps is None and not one.steps:
        return one.result  # its section counts no steps
    return f"{one.result}, {one.steps or 0} steps"


def _names(statistics: Sequence[Statistic]) -> Iterator[str]:
    """The variant of each, with code and target where they differ: these trainings are not averaged."""
    codes = {one.code_digest for one in statistics}
    targets: dict[str, set[int | None]] = {}
    for one in statistics:
        targets.setdefault(one.variant, set()).add(one.target_steps)
    for one in statistics:
        code = f", code {one.code_digest[:8]}" if len(codes) > 1 else ""
        yield f"{one.variant}{code}" + (f", target {one.target_steps} steps" if len(targets[one.variant]) > 1 else "")


def latex_text(text: str) -> str:
    """Text with LaTeX's special characters escaped."""
    return "".join(_LATEX.get(character, character) for character in text)


_LATEX = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


def _shown(found: Estimate) -> str:
    interval = "" if found.low is None or found.high is None else f" [{found.low:.4g}, {found.high:.4g}]"
    return f"{found.value:.4g}{interval}"


def text_lines(
    trainings: Sequence[Training], statistics: Sequence[Statistic], unfinished: Mapping[str, str] | None = None
) -> list[str]:
    """The report as lines for a terminal: each training, then the statistics, or why there are none.

    Args:
        unfinished: Lineage id -> state and progress of its training, shown where the training has no result yet.
    """
    progress = unfinished or {}
    lines = [
        f"{one.variant}, seed {one.seed} ({one.profile}): {_so_far(one, progress)}, {one.sessions} session(s)"
        + (f", {proof_line(one.proof)}" if one.proof else "")
        + (f"; {one.adopted}" if one.adopted else "")
        for one in trainings
    ]
    if not any(one.curve.points for one in trainings):
        lines.append("No learning curves: no session reported an evaluation with its steps and score")
    if not statistics:
        return [*lines, "No statistics: no finished training reported a number in its summary"]
    return [
        *lines,
        "Over seeds, with 95 % intervals (none for a single seed):",
        *(
            f"  {name} ({one.profile}), {one.metric}: mean {_shown(one.mean)}, IQM {_shown(one.iqm)}, n = {one.n}"
            for name, one in zip(_names(statistics), statistics, strict=True)
        ),
    ]
