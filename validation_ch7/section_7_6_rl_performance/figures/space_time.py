"""Density along the busiest approach and its exit over time, with the signal drawn at the stop line."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from orchestrator.kernel.outcome import Verdict
from validation_ch7.figures import style as paper
from validation_ch7.section_7_6_rl_performance.figures import recording as trace
from validation_ch7.section_7_6_rl_performance.figures.recording import APPROACH_NAMES, Trace
from validation_ch7.section_7_6_rl_performance.figures.scenario_choice import Scene
from validation_ch7.section_7_6_rl_performance.figures.style import label_of
from validation_ch7.traffic.numba_kernel.constants import N_APPROACHES

SPAN_S = 600.0
# Light for an empty road, and without the hues of the lamps.
COLOURS = "BuPu"
LAMP_COLOURS = {trace.GREEN: paper.GREEN, trace.YELLOW: paper.YELLOW, trace.RED: paper.VERMILION}

_LAMP_NAMES = {trace.GREEN: "green", trace.YELLOW: "yellow", trace.RED: "red"}
_STRIP_M = 18.0
# Free traffic has an eighth of the jam density; an exponent below 1 makes it more visible.
GAMMA = 0.65


def space_time_figure(scene: Scene, *, verdict: Verdict, stamp: str) -> Figure:
    """Draw the learned policy above the other controller, in the minutes in which most vehicles arrive.

    Args:
        scene: One scenario under both controllers.
        verdict: An invalid comparison is marked.
        stamp: Stamp of the drawing session.
    """
    span = scene.busiest_span(SPAN_S)
    approach = scene.busiest_approach(span)
    heading = f"Approach from the {APPROACH_NAMES[approach]} and its exit, busiest minutes of {scene.title}"
    drawn = paper.blank_figure((11.0, 6.6), stamp=stamp, verdict=verdict, heading=heading)
    upper, lower = drawn.subplots(2, 1, sharex=True, sharey=True)
    for axes, run in ((upper, scene.policy), (lower, scene.other)):
        image = _draw_run(axes, run, approach, span)
        delay_s = float(run.delay_s_per_veh()[-1])
        name = label_of(run.controller)
        axes.set_title(f"{name}: {delay_s:.1f} s mean delay per vehicle in this scenario", loc="left", fontsize=10)
    lower.set_xlabel("time since the start of the scenario (min)")
    lower.xaxis.set_major_locator(MaxNLocator(nbins=11, steps=[1, 2, 5, 10]))
    drawn.colorbar(image, ax=(upper, lower), label="density (vehicles per km)", pad=0.01, aspect=32)
    lamps = [
        Patch(facecolor=LAMP_COLOURS[lamp], edgecolor=paper.GREY, label=_LAMP_NAMES[lamp]) for lamp in LAMP_COLOURS
    ]
    upper.legend(
        handles=lamps,
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=3,
        frameon=False,
        fontsize=8,
        borderaxespad=0.2,
    )
    return drawn


def _draw_run(axes: Axes, run: Trace, approach: int, span: slice) -> AxesImage:
    traffic = run.settings.traffic
    start_min, end_min = (step * traffic.dt_s / 60.0 for step in (span.start, span.stop))
    length_m = traffic.link_length_m
    before, behind = (
        run.density_veh_m[span.start + 1 : span.stop + 1, link] for link in (approach, N_APPROACHES + approach)
    )
    image = axes.imshow(
        np.concatenate((before, behind), axis=1).T * 1000.0,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        cmap=COLOURS,
        norm=PowerNorm(GAMMA, vmin=0.0, vmax=traffic.rho_jam_veh_m * 1000.0),
        extent=(start_min, end_min, -length_m, length_m),
    )
    _draw_lamps(axes, run.lamps[span, approach // 2], start_min, traffic.dt_s / 60.0)
    axes.set_ylabel("distance from the stop line (m)")
    axes.tick_params(colors=paper.INK, labelsize=9)
    return image


def _draw_lamps(axes: Axes, lamps: trace.Lamps, start_min: float, step_min: float) -> None:
    """Draw one bar for each interval of a lamp, just behind the stop line, so that it does not cover a queue."""
    edges = [0, *(np.flatnonzero(np.diff(lamps)) + 1), len(lamps)]
    for first, last in pairwise(edges):
        axes.broken_barh(
            [(start_min + first * step_min, (last - first) * step_min)],
            (0.0, _STRIP_M),
            facecolor=LAMP_COLOURS[int(lamps[first])],
            edgecolor="white",
            linewidth=0.4,
        )
