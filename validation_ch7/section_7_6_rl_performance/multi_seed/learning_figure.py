"""Learning curves of the trainings of each variant, joined over their sessions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from orchestrator.kernel.reporting.trial_report import CurvePoint, TrialReport
from validation_ch7.figures.style import BLUE, GREY, INK, PALE, VERMILION, blank_figure, plain_frame
from validation_ch7.traffic.model.arz import Floats

_DELAY = "delay_s_per_veh"
_PANEL_IN = (4.4, 3.7)
_IN_A_ROW = 3


def learning_figure(trials: Sequence[TrialReport], *, stamp: str) -> Figure:
    """One panel for each variant: every training thin, their mean bold, each seam between sessions as a bar.

    Args:
        trials: Trials of one campaign; at least one.
        stamp: Source of the numbers.
    """
    variants = list(dict.fromkeys(trial.variant for trial in trials))
    columns = min(_IN_A_ROW, len(variants))
    rows = -(-len(variants) // columns)
    figure = blank_figure((_PANEL_IN[0] * columns + 0.3, _PANEL_IN[1] * rows), stamp=stamp)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for row in grid:
        row[0].set_ylabel("delay on tuning scenarios (s/veh)", fontsize=9)
    panels = grid.flat
    for panel, variant in zip(panels, variants, strict=False):
        _draw(panel, variant, [trial for trial in trials if trial.variant == variant])
    for panel in list(panels)[len(variants) :]:
        panel.set_axis_off()
    _limit_delay_axis(figure, trials)
    return figure


def _draw(axes: Axes, variant: str, trials: Sequence[TrialReport]) -> None:
    for trial in trials:
        steps, delays_s = _curve(trial.curve.points)
        axes.plot(steps, delays_s, color=BLUE, alpha=0.3, linewidth=0.8)
        at = np.interp(trial.curve.seams, steps, delays_s) if steps.size else ()
        axes.plot(trial.curve.seams[: len(at)], at, "|", color=VERMILION, markersize=9, markeredgewidth=1.4)
    steps, mean_s = mean_curve([_curve(trial.curve.points) for trial in trials])
    axes.plot(steps, mean_s, color=BLUE, linewidth=2.0)
    seams = sum(len(trial.curve.seams) for trial in trials)
    wasted = sum(trial.curve.wasted_steps for trial in trials)
    axes.set_title(variant, loc="left", fontsize=10, color=INK)
    note = f"{len(trials)} trainings, {seams} seams, {wasted} steps wasted"
    axes.text(0.98, 0.97, note, transform=axes.transAxes, ha="right", va="top", fontsize=7.5, color=GREY)
    axes.set_xlabel("environment steps (decisions)", fontsize=9)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.xaxis.set_major_formatter(EngFormatter(sep=" "))
    axes.grid(axis="y", color=PALE, linewidth=0.7)
    plain_frame(axes)


def mean_curve(curves: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    """Mean over trainings at the steps at which all of them were evaluated.

    Args:
        curves: Steps and delays in s of each training.

    Returns:
        Steps, and the mean delay in s at each.
    """
    shared = sorted(set.intersection(*(set(steps.tolist()) for steps, _ in curves))) if curves else []
    of_each = [dict(zip(steps.tolist(), delays_s.tolist(), strict=True)) for steps, delays_s in curves]
    return np.array(shared), np.array([np.mean([one[step] for one in of_each]) for step in shared])


def _curve(points: Sequence[CurvePoint]) -> tuple[Floats, Floats]:
    known = [(float(point.steps), point.measures.get(_DELAY, -point.score)) for point in points]
    return np.array([steps for steps, _ in known]), np.array([delay_s for _, delay_s in known])


def _limit_delay_axis(figure: Figure, trials: Sequence[TrialReport]) -> None:
    """Limit the delay axis if the first points of untrained policies would flatten the curves; add a note."""
    delays_s = np.concatenate([_curve(trial.curve.points)[1] for trial in trials])
    if not delays_s.size:
        return
    low_s, high_s, usual_s = delays_s.min(), delays_s.max(), float(np.quantile(delays_s, 0.97))
    if high_s > low_s + 2.0 * (usual_s - low_s) > low_s:
        top_s = low_s + 1.3 * (usual_s - low_s)
        figure.axes[0].set_ylim(low_s - 0.05 * (top_s - low_s), top_s)
        above = int(np.sum(delays_s > top_s))
        figure.axes[0].text(
            0.98,
            0.91,
            f"{above} early points are above (up to {high_s:.0f} s)",
            transform=figure.axes[0].transAxes,
            ha="right",
            va="top",
            fontsize=7.5,
            color=GREY,
        )
