"""Delay at a fixed-time signal over flow, and queues above capacity."""

from __future__ import annotations

import numpy as np
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
    reds = sorted({one.red_s for one in own})
    saturation = setting.law.capacity_veh_s
    for red_s, colour in zip(reds, _COLOURS, strict=False):
        here = [one for one in own if one.red_s == red_s]
        cycle_s, green_s = here[0].cycle_s, here[0].cycle_s - red_s
        degrees = np.linspace(0.05, 0.97, 80)
        exact = [
            uniform_delay_s(
                flow_veh_s=degree * here[0].capacity_veh_s, saturation_veh_s=saturation, red_s=red_s, cycle_s=cycle_s
            )
            for degree in degrees
        ]
        left.plot(degrees, exact, color=colour, linewidth=1.3, label=f"Webster, green {green_s:g} of {cycle_s:g} s")
        below = [one for one in here if one.degree < 1.0]
        points = ([one.degree for one in below], [one.measured for one in below])
        left.plot(*points, "o", color=colour, markersize=5.5)
    for one, colour in zip([one for one in own if one.degree > 1.0][:4], (*_COLOURS, INK), strict=False):
        cycles = np.arange(1, len(one.queue_veh) + 1)
        first = len(cycles) // 2
        right.plot(cycles, one.queue_veh, color=colour, linewidth=1.0, label=f"simulated, {one.degree:g} of capacity")
        line = one.queue_veh[first] + one.exact * one.cycle_s * (cycles - cycles[first])
        right.plot(
            cycles,
            line,
            color=colour,
            linestyle=":",
            linewidth=2.4,
            label="exact growth" if colour == _COLOURS[0] else "_",
        )
    left.plot([], [], "o", color=INK, markersize=5.5, label="simulated")
    right.plot([], [], color=INK, linestyle=":", linewidth=2.4, label="exact growth")
    left.set_xlabel("flow (of the approach's capacity)", fontsize=9.5)
    left.set_ylabel("delay at the stop line (s per vehicle)", fontsize=9.5)
    left.set_title("Below capacity", loc="left", fontsize=10)
    left.set_ylim(bottom=0.0)
    right.set_xlabel("cycles", fontsize=9.5)
    right.set_ylabel("vehicles before the stop line", fontsize=9.5)
    green_s = own[0].cycle_s - own[0].red_s
    right.set_title(f"Above capacity, green {green_s:g} of {own[0].cycle_s:g} s", loc="left", fontsize=10)
    for axes in (left, right):
        axes.grid(color=PALE, linewidth=0.7)
        plain_frame(axes)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, frameon=False, fontsize=8.5)
    return drawn
