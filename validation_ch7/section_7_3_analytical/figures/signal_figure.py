"""Delay at a fixed-time signal over flow, and queues above capacity."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from orchestrator.kernel.outcome import Verdict
from validation_ch7.figures.style import BLUE, GREEN, INK, PALE, VERMILION, blank_figure, plain_frame
from validation_ch7.section_7_3_analytical.checks.setting import Setting
from validation_ch7.section_7_3_analytical.checks.signal import Approach
from validation_ch7.section_7_3_analytical.exact.signal import uniform_delay_s

_COLOURS = (BLUE, VERMILION, GREEN)


def signal_figure(approaches: tuple[Approach, ...], setting: Setting, *, verdict: Verdict, stamp: str) -> Figure:
    """Delays below capacity on the left, queues above it on the right, on the crossing's own cells.

    Args:
        approaches: Of the check.
        setting: What was examined.
        verdict: An invalid examination is marked.
        stamp: Stamp of the drawing session; printed at the bottom.
    """
    drawn = blank_figure((11.0, 5.2), stamp=stamp, verdict=verdict, judged="numbers")
    left, right = drawn.subplots(1, 2)
    own = [one for one in approaches if one.refinement == 1]
    _delays(left, [one for one in own if one.degree < 1.0], setting.law.capacity_veh_s)
    _queues(right, [one for one in own if one.degree > 1.0 and one.plan == own[0].plan])
    for axes in (left, right):
        axes.grid(color=PALE, linewidth=0.7)
        plain_frame(axes)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, frameon=False, fontsize=8.5)
    return drawn


def _delays(axes: Axes, approaches: list[Approach], saturation_veh_s: float) -> None:
    """Webster's curve for each red, and the simulated delays."""
    degrees = np.linspace(0.05, 0.97, 80)
    for red_s, colour in zip(sorted({one.red_s for one in approaches}), _COLOURS, strict=False):
        here = [one for one in approaches if one.red_s == red_s]
        cycle_s, capacity_veh_s = here[0].cycle_s, here[0].capacity_veh_s
        times = {"saturation_veh_s": saturation_veh_s, "red_s": red_s, "cycle_s": cycle_s}
        exact = [uniform_delay_s(flow_veh_s=degree * capacity_veh_s, **times) for degree in degrees]
        label = f"Webster, green {cycle_s - red_s:g} of {cycle_s:g} s"
        axes.plot(degrees, exact, color=colour, linewidth=1.3, label=label)
        axes.plot([one.degree for one in here], [one.measured for one in here], "o", color=colour, markersize=5.5)
    axes.plot([], [], "o", color=INK, markersize=5.5, label="simulated")
    axes.set_xlabel("flow (of the approach's capacity)", fontsize=9.5)
    axes.set_ylabel("delay at the stop line (s per vehicle)", fontsize=9.5)
    axes.set_title("Below capacity", loc="left", fontsize=10)
    axes.set_ylim(bottom=0.0)


def _queues(axes: Axes, approaches: list[Approach]) -> None:
    """Vehicles before the stop line at the end of each cycle, and lines of the exact growth."""
    for one, colour in zip(approaches, (*_COLOURS, INK), strict=False):
        cycles = np.arange(1, len(one.queue_veh) + 1)
        first = len(cycles) // 2
        axes.plot(cycles, one.queue_veh, color=colour, linewidth=1.0, label=f"simulated, {one.degree:g} of capacity")
        line = one.queue_veh[first] + one.exact * one.cycle_s * (cycles - cycles[first])
        axes.plot(cycles, line, color=colour, linestyle=":", linewidth=2.4)
    axes.plot([], [], color=INK, linestyle=":", linewidth=2.4, label="exact growth")
    axes.set_xlabel("cycles", fontsize=9.5)
    axes.set_ylabel("vehicles before the stop line", fontsize=9.5)
    green_s, cycle_s = approaches[0].cycle_s - approaches[0].red_s, approaches[0].cycle_s
    axes.set_title(f"Above capacity, green {green_s:g} of {cycle_s:g} s", loc="left", fontsize=10)
