"""Distribution of the scenarios' delays under each controller, and the ratio to the baseline's in each scenario."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from orchestrator.kernel.outcome import Verdict
from validation_ch7.figures import style as paper
from validation_ch7.section_7_6_rl_performance.figures.style import colour_of, label_of
from validation_ch7.traffic.model.arz import Floats

_FEWEST_FOR_A_SHAPE = 8
_HALF_HEIGHT = 0.38
_ROUND_NUMBERS = tuple(digit * 10.0**power for power in range(-3, 5) for digit in (1, 2, 5))
_MOST_TICKS = 8


def delay_figure(delays_s_per_veh: Mapping[str, Floats], *, baseline: str, verdict: Verdict, stamp: str) -> Figure:
    """Draw one row per controller: its delays on the left, their ratio to the baseline's on the right.

    Both axes are logarithmic, since controllers can differ by an order of magnitude.

    Args:
        delays_s_per_veh: Controller name -> delay per scenario, shape (n,), s per vehicle; controllers with values
            that are not finite and above zero are left out.
        baseline: Controller whose delay in the same scenario is 1 on the right.
        verdict: An invalid comparison is marked.
        stamp: Stamp of the drawing session.
    """
    sound = {name: values for name, values in delays_s_per_veh.items() if _has_logarithm(values)}
    names = sorted(sound, key=lambda name: float(np.median(sound[name])))
    drawn = paper.blank_figure((11.0, 1.7 + 0.5 * max(3, len(names))), stamp=stamp, verdict=verdict)
    left, right = drawn.subplots(1, 2, sharey=True, width_ratios=(1.1, 1.0))
    for row, name in enumerate(names):
        colour = colour_of(name, baseline)
        _draw_row(left, row, sound[name], colour, "{:.1f} s")
        reference = sound.get(baseline)
        if name != baseline and reference is not None and len(reference) == len(sound[name]):
            _draw_row(right, row, sound[name] / reference, colour, "× {:.2f}")
    right.axvline(1.0, color=paper.VERMILION, linewidth=1.4, linestyle="--", zorder=1)
    left.set_yticks(range(len(names)), [label_of(name) for name in names])
    left.set_ylim(max(1, len(names)) - 0.35, -0.65)
    left.set_title("Delay in each scenario: spread, middle half, median", loc="left", fontsize=10)
    right.set_title(f"Against {label_of(baseline)} in the same scenario", loc="left", fontsize=10)
    left.set_xlabel("delay per vehicle (s), logarithmic")
    right.set_xlabel("delay ratio, logarithmic (below 1 is better)")
    for axes in (left, right):
        _logarithmic(axes)
        axes.grid(axis="x", color=paper.PALE, linewidth=0.7)
        axes.set_axisbelow(True)
        paper.plain_frame(axes)
        axes.tick_params(axis="y", length=0)
    return drawn


def density_on_a_log_axis(values: Floats, at: Floats) -> Floats:
    """A Gaussian kernel estimate over log10 of the values, highest point 1; Silverman's rule for the width.

    Args:
        values: Above zero, shape (n,), not all equal.
        at: Points of the estimate, as log10, shape (m,).

    Source:
        Silverman, Density Estimation for Statistics and Data Analysis, 1986, eq. 3.31.
    """
    logs = np.log10(values)
    quartiles = np.quantile(logs, (0.25, 0.75))
    spread = min(float(logs.std()), float(quartiles[1] - quartiles[0]) / 1.34) or float(logs.std())
    width = 0.9 * spread * len(logs) ** -0.2
    heights = np.exp(-0.5 * ((at[:, None] - logs[None, :]) / width) ** 2).sum(axis=1)
    shape: Floats = heights / heights.max()
    return shape


def _has_logarithm(values: Floats) -> bool:
    return len(values) > 0 and bool(np.isfinite(values).all()) and float(values.min()) > 0.0


def _draw_row(axes: Axes, row: int, values: Floats, colour: str, note: str) -> None:
    """Draw the density, a bar for the middle half and a dot for the median; points instead if there are few values."""
    low, first, middle, third, high = np.quantile(values, (0.0, 0.25, 0.5, 0.75, 1.0))
    if len(values) >= _FEWEST_FOR_A_SHAPE and high > low * 1.0001:
        at = np.linspace(np.log10(low), np.log10(high), 200)
        half = _HALF_HEIGHT * density_on_a_log_axis(values, at)
        axes.fill_between(10.0**at, row - half, row + half, color=colour, alpha=0.35, linewidth=0, zorder=2)
    else:
        axes.plot(values, np.full(len(values), row), "o", color=colour, alpha=0.35, markersize=5, markeredgewidth=0)
    axes.plot([first, third], [row, row], color=colour, linewidth=4.5, solid_capstyle="butt", zorder=3)
    axes.plot(middle, row, "o", color="white", markeredgecolor=colour, markeredgewidth=1.5, markersize=6, zorder=4)
    if note:
        axes.annotate(
            note.format(middle),
            (high, row),
            (5, 0),
            textcoords="offset points",
            ha="left",
            va="center",
            fontsize=8,
            color=paper.INK,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0},
            zorder=5,
        )


def _logarithmic(axes: Axes) -> None:
    """Use a logarithmic axis with round tick labels, at most `_MOST_TICKS`, and space on the right for the notes."""
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    high *= (high / low) ** 0.13
    axes.set_xlim(low, high)
    ticks = [tick for tick in _ROUND_NUMBERS if low <= tick <= high]
    if len(ticks) > _MOST_TICKS:
        ticks = [tick for tick in ticks if f"{tick:e}".startswith("1")]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
