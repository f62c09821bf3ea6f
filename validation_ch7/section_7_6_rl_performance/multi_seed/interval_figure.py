"""Delays of all controllers with intervals, and each variant's probability of less delay than each classical one."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from validation_ch7.figures.style import BLUE, GREEN, GREY, INK, PALE, VERMILION, blank_figure, plain_frame
from validation_ch7.section_7_6_rl_performance.controllers.families import CLASSICAL
from validation_ch7.section_7_6_rl_performance.figures.style import label_of
from validation_ch7.section_7_6_rl_performance.multi_seed.claims import Pool
from validation_ch7.section_7_6_rl_performance.verdict.statistics import Estimate

_MARKS = ("o", "s", "D", "^", "v", "P", "X")
_COLOURS = (BLUE, VERMILION, GREEN, "#CC79A7", "#56B4E9", "#E69F00", INK)


def interval_figure(pool: Pool, *, stamp: str) -> Figure:
    """Two panels: mean delays with 95 % intervals and the mean of every training; probabilities of improvement.

    Args:
        pool: Results of the experiment.
        stamp: Source of the numbers.
    """
    height_in = 1.7 + 0.36 * max(len(pool.claims) + len(CLASSICAL), 1 + len(pool.claims) * len(CLASSICAL) // 3)
    figure = blank_figure((11.0, height_in), stamp=stamp)
    delays, improvements = figure.subplots(1, 2, width_ratios=(1.15, 1.0))
    _delays(delays, pool)
    _improvements(improvements, pool)
    return figure


def _delays(axes: Axes, pool: Pool) -> None:
    rows: list[tuple[Estimate, str, str, Sequence[float]]] = [
        (claim.mean_s, claim.label, _ink(place), claim.by_seed_s) for place, claim in enumerate(pool.claims)
    ]
    rows += [(pool.others[name].mean_s, label_of(name), GREY, ()) for name in CLASSICAL]
    rows.sort(key=lambda row: row[0].value, reverse=True)
    for height, (mean_s, _, ink, by_seed_s) in enumerate(rows):
        axes.plot(
            [mean_s.low, mean_s.high], [height, height], color=ink, linewidth=5, alpha=0.45, solid_capstyle="butt"
        )
        axes.plot(mean_s.value, height, "|", color=ink, markersize=15, markeredgewidth=2.2)
        axes.plot(by_seed_s, [height + 0.27] * len(by_seed_s), ".", color=ink, markersize=4)
    axes.set_yticks(range(len(rows)), [label for _, label, _, _ in rows])
    axes.set_xlabel("mean delay per vehicle (s), 95 % interval; dots: single trainings", fontsize=9)
    axes.set_title(f"Delay on {pool.n_scenarios} unseen scenarios", loc="left", fontsize=10)
    axes.grid(axis="x", color=PALE, linewidth=0.7)
    axes.set_axisbelow(True)
    plain_frame(axes)


def _improvements(axes: Axes, pool: Pool) -> None:
    step = 0.7 / max(1, len(pool.claims))
    for place, claim in enumerate(pool.claims):
        for row, name in enumerate(reversed(CLASSICAL)):
            found, height = claim.beside[name].improvement, row + 0.35 - step * (place + 0.5)
            axes.plot([found.low, found.high], [height, height], color=_ink(place), linewidth=2.5, alpha=0.6)
            mark = _MARKS[place % len(_MARKS)]
            axes.plot(
                found.value, height, mark, color=_ink(place), markersize=5, label=claim.label if row == 0 else None
            )
    axes.axvline(0.5, color=GREY, linewidth=1.0, linestyle="--")
    axes.set_yticks(range(len(CLASSICAL)), [f"less than {label_of(name)}" for name in reversed(CLASSICAL)])
    axes.set_xlim(0.0, 1.02)
    axes.set_xlabel("probability of less delay in the same scenario", fontsize=9)
    axes.set_title("Probability of improvement", loc="left", fontsize=10)
    # Above the panel: inside, it would cover intervals.
    axes.legend(frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1.0, 1.07), ncols=3, borderaxespad=0.0)
    axes.grid(axis="x", color=PALE, linewidth=0.7)
    axes.set_axisbelow(True)
    plain_frame(axes)


def _ink(place: int) -> str:
    return _COLOURS[place % len(_COLOURS)]
