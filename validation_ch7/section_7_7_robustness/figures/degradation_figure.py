"""Degradation curves: delay, and its ratio to actuated control, over the severity of each family."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from orchestrator.kernel.outcome import Verdict
from validation_ch7.figures.style import BLUE, GREEN, GREY, INK, PALE, VERMILION, blank_figure, plain_frame
from validation_ch7.section_7_6_rl_performance.figures.style import label_of
from validation_ch7.section_7_6_rl_performance.verdict.statistics import Estimate
from validation_ch7.section_7_7_robustness.conditions.family import Family
from validation_ch7.section_7_7_robustness.estimates import POLICIES, Row
from validation_ch7.section_7_7_robustness.schema import BASELINE, Criteria

_COLUMNS = 4
_LEGEND_COLUMN_IN, _LEGEND_LINE_IN = 1.9, 0.2
_COLOURS = {POLICIES: BLUE, BASELINE: VERMILION, "rollout": GREEN}
_OTHERS = (("s", "--"), ("^", ":"), ("D", "-."), ("v", (0, (1, 1))), ("P", (0, (5, 1))))
_ROUND_NUMBERS = tuple(digit * 10.0**power for power in range(-2, 5) for digit in (1, 1.5, 2, 3, 5, 7))
Number = Callable[[Row], Estimate | None]


def delay_figure(rows: Sequence[Row], *, verdict: Verdict, stamp: str) -> Figure:
    """Mean delay of each controller; one panel for each family.

    Args:
        rows: Of all conditions.
        verdict: An invalid study is marked.
        stamp: Stamp of the drawing session; printed at the bottom.
    """
    heading = f"Mean delay per vehicle over {_hours(rows)} test hours, with 95 % intervals"
    drawn, panels = _panels(rows, heading, verdict, stamp)
    for axes, family in panels:
        _curves(axes, rows, family, lambda row: row.delay_s)
        axes.set_yscale("log")
        _round_ticks(axes)
    _label(drawn, panels, "delay (s per vehicle)")
    return drawn


def ratio_figure(rows: Sequence[Row], criteria: Criteria, *, verdict: Verdict, stamp: str) -> Figure:
    """Delay over that of actuated control in the same hours; one panel for each family, with the card's limit.

    Args:
        rows: Of all conditions.
        criteria: Of the card.
        verdict: An invalid study is marked.
        stamp: Stamp of the drawing session; printed at the bottom.
    """
    heading = f"Delay over that of actuated control in the same {_hours(rows)} hours, with 95 % intervals"
    drawn, panels = _panels(rows, heading, verdict, stamp)
    for axes, family in panels:
        axes.axhline(1.0, color=VERMILION, linewidth=1.4, label=label_of(BASELINE))
        axes.axhline(
            criteria.max_ratio[family.name], color=INK, linewidth=1.0, linestyle=":", label="limit of the card"
        )
        _curves(axes, rows, family, lambda row: row.ratio)
        axes.set_yscale("log")
        _round_ticks(axes)
    _label(drawn, panels, "ratio to actuated")
    return drawn


def _panels(
    rows: Sequence[Row], heading: str, verdict: Verdict, stamp: str
) -> tuple[Figure, list[tuple[Axes, Family]]]:
    families = list({row.condition.name: row.condition.family for row in rows if row.condition.family}.values())
    columns = min(_COLUMNS, len(families))
    lines = math.ceil(len(families) / columns)
    size_in = (max(3.0 * columns, 6.5), 2.75 * lines + 0.9)
    drawn = blank_figure(size_in, stamp=stamp, verdict=verdict, heading=heading, judged="numbers")
    grid = drawn.subplots(lines, columns, squeeze=False).ravel()
    for unused in grid[len(families) :]:
        unused.remove()
    return drawn, [(axes, family) for axes, family in zip(grid, families, strict=False) if family is not None]


def _curves(axes: Axes, rows: Sequence[Row], family: Family, number: Number) -> None:
    of_panel = [row for row in rows if row.condition.family in (None, family)]
    several = max((row.n_policies for row in rows), default=0) > 1
    others = iter(_OTHERS * 2)
    for name in dict.fromkeys(row.controller for row in of_panel):
        of_name = [row for row in of_panel if row.controller == name]
        points = [(row.condition.severity, found) for row in of_name if (found := number(row)) is not None]
        single = name != POLICIES and of_name[0].n_policies == 1
        if not points or (single and not several):
            continue
        x = [severity for severity, _ in points]
        y = [estimate.value for _, estimate in points]
        if single:
            axes.plot(x, y, color=BLUE, linewidth=0.6, alpha=0.45, zorder=2)
            continue
        colour = _COLOURS.get(name, GREY)
        marker, style = ("o", "-") if name in _COLOURS else next(others)
        thick = 1.9 if name in _COLOURS else 1.1
        low, high = [estimate.low for _, estimate in points], [estimate.high for _, estimate in points]
        axes.fill_between(x, low, high, color=colour, alpha=0.14 if name in _COLOURS else 0.07, linewidth=0, zorder=1)
        axes.plot(
            x,
            y,
            color=colour,
            marker=marker,
            linestyle=style,
            markersize=4,
            linewidth=thick,
            label=label_of(name),
            zorder=4 if name == POLICIES else 3,
        )
    axes.set_title(family.title, loc="left", fontsize=10)
    axes.set_xlabel(family.severity, fontsize=7.5)
    axes.set_xticks(sorted({row.condition.severity for row in of_panel}))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid(color=PALE, linewidth=0.7)
    axes.set_axisbelow(True)
    plain_frame(axes)


def _round_ticks(axes: Axes) -> None:
    low, high = axes.get_ylim()
    ticks = [tick for tick in _ROUND_NUMBERS if low <= tick <= high]
    if len(ticks) < 3:
        step = 10.0 ** math.floor(math.log10(max(high - low, 1e-9)))
        step = next(one * step for one in (0.1, 0.2, 0.5, 1.0, 2.0) if (high - low) / (one * step) <= 6)
        ticks = [step * place for place in range(math.ceil(low / step), math.floor(high / step) + 1)]
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _label(drawn: Figure, panels: list[tuple[Axes, Family]], text: str) -> None:
    """The label of the first column, and one legend in a strip of its own below all panels."""
    for axes, _ in panels[::_COLUMNS]:
        axes.set_ylabel(text, fontsize=9.5)
    handles, labels = panels[0][0].get_legend_handles_labels()
    columns = max(1, int(drawn.get_figwidth() / _LEGEND_COLUMN_IN))
    strip = (0.12 + _LEGEND_LINE_IN * math.ceil(len(labels) / columns)) / drawn.get_figheight()
    engine: Any = drawn.get_layout_engine()
    left, bottom, width, height = engine.get()["rect"]
    engine.set(rect=(left, bottom + strip, width, height - strip))
    drawn.legend(
        handles,
        labels,
        loc="lower center",
        bbox_to_anchor=(0.5, bottom),
        ncols=columns,
        frameon=False,
        fontsize=8.5,
    )


def _hours(rows: Sequence[Row]) -> int:
    return max((row.n_hours for row in rows), default=0)
