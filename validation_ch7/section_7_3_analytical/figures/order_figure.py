"""Errors over cells: how fast the solver converges to the exact solutions."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from orchestrator.kernel.outcome import Verdict
from validation_ch7.figures.style import BLUE, GREEN, GREY, INK, PALE, VERMILION, blank_figure, plain_frame
from validation_ch7.section_7_3_analytical.checks.convergence import ConvergenceResult
from validation_ch7.section_7_3_analytical.checks.riemann import CASES, RiemannResult
from validation_ch7.section_7_3_analytical.checks.setting import Setting

_COLOURS = (BLUE, VERMILION, GREEN, "#CC79A7", "#E69F00", "#56B4E9", INK, GREY)
_MARKERS = "osD^vP*X"


def order_figure(
    riemann: RiemannResult, smooth: ConvergenceResult, setting: Setting, *, verdict: Verdict, stamp: str
) -> Figure:
    """Riemann cases on the left, smooth solutions on the right, with lines of the theoretical orders.

    Args:
        riemann: Of the Riemann check.
        smooth: Of the convergence check.
        setting: What was examined.
        verdict: An invalid examination is marked.
        stamp: Stamp of the drawing session; printed at the bottom.
    """
    drawn = blank_figure((11.0, 5.6), stamp=stamp, verdict=verdict, judged="numbers")
    left, right = drawn.subplots(1, 2)
    curves = {name: [float(riemann.errors[n][row, 0]) for n in setting.cells] for row, name in enumerate(CASES)}
    _panel(left, setting.cells, curves, (0.5,), "Riemann problems")
    smooth_curves = {name: [errors[n] for n in setting.cells] for name, errors in smooth.errors.items()}
    _panel(right, setting.cells, smooth_curves, (1.0,), "Smooth solutions")
    left.set_ylabel("relative L1 error of the density", fontsize=9.5)
    return drawn


def _panel(
    axes: Axes, cells: tuple[int, ...], curves: dict[str, list[float]], orders: tuple[float, ...], title: str
) -> None:
    x = np.array(cells, dtype=np.float64)
    for (name, errors), colour, marker in zip(curves.items(), _COLOURS, _MARKERS, strict=False):
        axes.loglog(x, errors, color=colour, marker=marker, markersize=4.5, linewidth=1.2, label=name)
    top = max((errors[0] for errors in curves.values() if np.isfinite(errors[0])), default=1.0)
    for order in orders:
        line = 1.6 * top * (x / x[0]) ** -order
        axes.loglog(x, line, color=GREY, linestyle=":", linewidth=1.6, label=f"order {order:g} (theory)")
    axes.xaxis.set_major_locator(FixedLocator(list(x)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("cells of the road (640 m)", fontsize=9.5)
    axes.set_title(title, loc="left", fontsize=10)
    axes.grid(color=PALE, linewidth=0.7)
    plain_frame(axes)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=3, frameon=False, fontsize=8.5)
