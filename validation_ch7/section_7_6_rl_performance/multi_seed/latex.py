r"""An experiment's results as three LaTeX tables (booktabs), to be included with `\input`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from validation_ch7.figures.latex import latex_text
from validation_ch7.section_7_6_rl_performance.controllers.families import CLASSICAL
from validation_ch7.section_7_6_rl_performance.figures.style import label_of
from validation_ch7.section_7_6_rl_performance.multi_seed.claims import Claim, Pool
from validation_ch7.section_7_6_rl_performance.verdict.statistics import Estimate

_UNKNOWN = "--"


def delays_latex(pool: Pool, origin: Sequence[str]) -> str:
    """All controllers: trainings, mean, interquartile mean, reductions against the baseline and the best classical one.

    Args:
        pool: Results of the experiment.
        origin: Comment lines with the source of the numbers.
    """
    baseline, best = _baseline(pool), min(CLASSICAL, key=lambda name: pool.others[name].mean_s.value)
    caption = (
        f"Delay per vehicle over {pool.n_scenarios} unseen scenarios and all trainings: mean and interquartile mean"
        rf" (IQM) in s, reduction of the mean in \% against {_name(baseline)} and against {_name(best)}, the best of"
        r" the controllers that are not trained; 95\,\% intervals over trainings and scenarios"
        r" (over scenarios only if $n = 1$)."
    )
    head = ("Controller", "$n$", "Mean", "IQM", f"vs {_name(baseline)}", f"vs {_name(best)}")
    rows = [(claim.mean_s.value, _trained(claim, baseline, best)) for claim in pool.claims]
    for name in CLASSICAL:
        other = pool.others[name]
        cells = (_name(name), _UNKNOWN, _estimate(other.mean_s), _estimate(other.iqm_s), _UNKNOWN, _UNKNOWN)
        rows.append((other.mean_s.value, cells))
    return _table(origin, caption, "tab:campaign-delays", head, [cells for _, cells in sorted(rows)])


def pairs_latex(pool: Pool, origin: Sequence[str]) -> str:
    """Each variant against each classical controller and each other variant: reduction, probability, trainings needed.

    Args:
        pool: Results of the experiment.
        origin: Comment lines with the source of the numbers.
    """
    caption = (
        r"Reduction of the mean delay in \%, probability $P$ of less delay in the same scenario, each with its 95\,\%"
        r" interval, and number $N$ of trainings that would separate the means with power 0.8 on these scenarios."
    )
    pairs = [(claim.label, _name(name), claim.beside[name]) for claim in pool.claims for name in CLASSICAL]
    pairs += [(one, latex_text(other), found) for (one, other), found in pool.versus.items()]
    rows = [
        (
            latex_text(one),
            other,
            _estimate(found.reduction_pct),
            _estimate(found.improvement, digits=2),
            _UNKNOWN if found.trainings_needed is None else str(found.trainings_needed),
        )
        for one, other, found in pairs
    ]
    return _table(origin, caption, "tab:campaign-pairs", ("Variant", "Beside", "Reduction", "$P$", "$N$"), rows)


def _trained(claim: Claim, baseline: str, best: str) -> tuple[str, ...]:
    against = (_estimate(claim.beside[name].reduction_pct) for name in (baseline, best))
    return (latex_text(claim.label), str(len(claim.seeds)), _estimate(claim.mean_s), _estimate(claim.iqm_s), *against)


def tail_latex(pool: Pool, origin: Sequence[str]) -> str:
    """Each variant's tail against the baseline, and the criteria of the card below it.

    Args:
        pool: Results of the experiment.
        origin: Comment lines with the source of the numbers.
    """
    baseline = _baseline(pool)
    caption = (
        f"The tail against {_name(baseline)}: largest ratio of the delays in one scenario, reduction of the mean delay"
        rf" in \% in the {pool.claims[0].tail.n_hardest} scenarios that are hardest for {_name(baseline)} and at the"
        r" worst approach, and share of the scenarios with less delay; 95\,\% intervals over trainings and scenarios."
    )
    rows = [
        (
            latex_text(claim.label),
            f"${claim.tail.largest_ratio:.2f}$",
            _estimate(claim.tail.hardest_reduction_pct),
            _estimate(claim.tail.worst_approach_reduction_pct),
            _estimate(claim.tail.better_pct),
        )
        for claim in pool.claims
    ]
    head = ("Variant", "Largest ratio", r"Hardest (\%)", r"Worst approach (\%)", r"Better in (\%)")
    notes = [f"{latex_text(finding.text)}." for claim in pool.claims for finding in claim.findings]
    return _table(origin, caption, "tab:campaign-tail", head, rows, notes)


def _baseline(pool: Pool) -> str:
    criteria = pool.terms["criteria"]
    return str(criteria["baseline"]) if isinstance(criteria, dict) else CLASSICAL[0]


def _name(controller: str) -> str:
    return latex_text(label_of(controller))


def _estimate(estimate: Estimate, digits: int = 1) -> str:
    low, high = f"{estimate.low:.{digits}f}", f"{estimate.high:.{digits}f}"
    return f"${estimate.value:.{digits}f}$ $[{low}, {high}]$"


def _table(
    origin: Sequence[str],
    caption: str,
    label: str,
    head: tuple[str, ...],
    rows: Sequence[tuple[str, ...]],
    notes: Sequence[str] = (),
) -> str:
    return "\n".join(_lines(origin, caption, label, head, rows, notes)) + "\n"


def _lines(
    origin: Sequence[str],
    caption: str,
    label: str,
    head: tuple[str, ...],
    rows: Sequence[tuple[str, ...]],
    notes: Sequence[str],
) -> Iterator[str]:
    yield from ("% " + " ".join(line.split()) for line in origin)
    yield r"\begin{table}[htbp]"
    yield r"  \centering"
    yield rf"  \caption{{{caption}}}"
    yield rf"  \label{{{label}}}"
    yield rf"  \begin{{tabular}}{{{'l' * 2 if head[1] == 'Beside' else 'lr'}{'c' * (len(head) - 2)}}}"
    yield r"    \toprule"
    yield "    " + " & ".join(head) + r" \\"
    yield r"    \midrule"
    yield from ("    " + " & ".join(row) + r" \\" for row in rows)
    if notes:
        yield r"    \midrule"
        yield from (rf"    \multicolumn{{{len(head)}}}{{p{{0.95\linewidth}}}}{{{note}}} \\" for note in notes)
    yield r"    \bottomrule"
    yield r"  \end{tabular}"
    yield r"\end{table}"
