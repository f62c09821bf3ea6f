"""Density of each Riemann case, computed and exact."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from orchestrator.kernel.outcome import Verdict
from validation_ch7.figures.style import BLUE, INK, PALE, VERMILION, blank_figure, plain_frame
from validation_ch7.section_7_3_analytical.checks.riemann import CASES, RiemannResult
from validation_ch7.section_7_3_analytical.checks.setting import Setting
from validation_ch7.section_7_3_analytical.road.problem import HALF_LENGTH_M, TIME_S

_COLUMNS = 4


def riemann_figure(result: RiemannResult, setting: Setting, *, verdict: Verdict, stamp: str) -> Figure:
    """One panel for each case: the coarsest and the finest grid over the exact solution.

    Args:
        result: Of the check.
        setting: What was examined.
        verdict: An invalid examination is marked.
        stamp: Stamp of the drawing session; printed at the bottom.
    """
    rows = -(-len(CASES) // _COLUMNS)
    heading = f"Riemann problems {TIME_S:g} s after the states met at the stop line"
    drawn = blank_figure((11.0, 2.6 * rows + 0.9), stamp=stamp, verdict=verdict, heading=heading, judged="numbers")
    panels = np.atleast_2d(drawn.subplots(rows, _COLUMNS, sharex=True, sharey=True)).ravel()
    jam = setting.law.rho_jam_veh_m
    fine = np.linspace(-HALF_LENGTH_M / 2, HALF_LENGTH_M / 2, 2001)
    coarsest, finest = setting.cells[0], setting.cells[-1]
    for row, (name, axes) in enumerate(zip(CASES, panels, strict=False)):
        exact, _ = result.solutions[name].at(fine / TIME_S)
        axes.plot(fine, exact / jam, color=INK, linewidth=2.6, alpha=0.35, label="exact")
        for cells, colour, dash in ((coarsest, VERMILION, "--"), (finest, BLUE, "-")):
            x = (np.arange(cells) + 0.5) * (2.0 * HALF_LENGTH_M / cells) - HALF_LENGTH_M
            inside = np.abs(x) <= HALF_LENGTH_M / 2
            computed = result.states[cells].rho[row, inside] / jam
            axes.plot(x[inside], computed, color=colour, linestyle=dash, linewidth=1.1, label=f"{cells} cells")
        axes.set_title(name, loc="left", fontsize=10)
        axes.grid(color=PALE, linewidth=0.7)
        axes.set_ylim(-0.05, 1.08)
        plain_frame(axes)
    for axes in panels[len(CASES) :]:
        axes.set_visible(False)
    for axes in panels[-_COLUMNS:]:
        axes.set_xlabel("from the stop line (m)", fontsize=9.5)
    for axes in panels[::_COLUMNS]:
        axes.set_ylabel("density (of jam)", fontsize=9.5)
    handles, labels = panels[0].get_legend_handles_labels()
    beside = (0.998, drawn.texts[-1].get_position()[1] + 0.02)  # in the strip of the heading
    drawn.legend(handles, labels, loc="upper right", bbox_to_anchor=beside, ncols=3, frameon=False, fontsize=9)
    return drawn
