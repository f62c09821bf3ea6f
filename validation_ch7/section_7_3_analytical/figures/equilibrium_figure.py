"""Speeds that relax to the equilibrium speed, and perturbations of equilibrium traffic."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from orchestrator.kernel.outcome import Verdict
from validation_ch7.figures.style import BLUE, GREEN, GREY, INK, PALE, VERMILION, blank_figure, plain_frame
from validation_ch7.section_7_3_analytical.checks.equilibrium import (
    FILL_OFF,
    FILLS,
    TIMES_S,
    W_SHARES,
    EquilibriumResult,
)
from validation_ch7.section_7_3_analytical.checks.setting import Setting

_COLOURS = (VERMILION, GREEN, BLUE)


def equilibrium_figure(result: EquilibriumResult, setting: Setting, *, verdict: Verdict, stamp: str) -> Figure:
    """The relaxation on the left, the growth of perturbations on the right.

    Args:
        result: Of the check.
        setting: What was examined.
        verdict: An invalid examination is marked.
        stamp: Stamp of the drawing session; printed at the bottom.
    """
    drawn = blank_figure((11.0, 4.8), stamp=stamp, verdict=verdict, judged="numbers")
    left, right = drawn.subplots(1, 2, width_ratios=(1.6, 1.0))
    tau_s = setting.crossing.traffic.tau_s
    times = np.linspace(0.0, 1.05 * TIMES_S[-1], 200)
    for index, (share, colour) in enumerate(zip(W_SHARES, _COLOURS, strict=True)):
        start = share * setting.law.vf_m_s - float(setting.law.pressure(FILL_OFF * setting.law.rho_jam_veh_m))
        exact = result.equilibrium_m_s + (start - result.equilibrium_m_s) * np.exp(-times / tau_s)
        left.plot(times, exact, color=colour, linewidth=1.3, label=f"exact, w = {share:g} vf at first")
        left.plot(TIMES_S, result.speeds_m_s[:, index], "o", color=colour, markersize=5)
    left.plot([], [], "o", color=INK, markersize=5, label="simulated")
    left.axhline(result.equilibrium_m_s, color=INK, linestyle=":", linewidth=1.4, label="equilibrium speed V")
    left.set_xlabel("time (s)", fontsize=9.5)
    left.set_ylabel("speed (m/s)", fontsize=9.5)
    left.set_title(f"Relaxation at {FILL_OFF:g} of the jam density, tau = {tau_s:g} s", loc="left", fontsize=10)
    left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=2, frameon=False, fontsize=8.5)
    names = [f"{fill:g}" for fill in FILLS[1:-1]]
    right.bar(names, result.growth, color=GREY, width=0.55)
    right.axhline(1.0, color=INK, linestyle=":", linewidth=1.4, label="size at the start")
    right.set_ylim(0.0, 1.15 * max(1.0, float(np.nanmax(np.append(result.growth[np.isfinite(result.growth)], 1.0)))))
    right.set_ylabel("of its size at the start", fontsize=9.5)
    right.set_xlabel("density (of the jam density)", fontsize=9.5)
    right.set_title("Size of a 1 % bump after 10 s", loc="left", fontsize=10)
    right.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), frameon=False, fontsize=8.5)
    for axes in (left, right):
        axes.grid(color=PALE, linewidth=0.7)
        axes.set_axisbelow(True)
        plain_frame(axes)
    return drawn
