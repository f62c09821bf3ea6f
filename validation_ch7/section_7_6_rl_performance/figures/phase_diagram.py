"""Flow against density at a point of each approach, with the curves of the model."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from orchestrator.kernel.outcome import Verdict
from validation_ch7.figures import style as paper
from validation_ch7.section_7_6_rl_performance.figures.recording import APPROACH_NAMES, Trace
from validation_ch7.section_7_6_rl_performance.figures.scenario_choice import Scene
from validation_ch7.section_7_6_rl_performance.figures.style import label_of
from validation_ch7.traffic.model.arz import Floats
from validation_ch7.traffic.model.demand import DemandRanges
from validation_ch7.traffic.parameters import TrafficParameters

DETECTOR_M = 20.0
MEAN_OVER_S = 10.0

_COLOURS = (paper.BLUE, "#56B4E9", paper.VERMILION, "#E69F00")  # one hue for each axis
_MARKERS = ("o", "s", "^", "v")


def phase_figure(scene: Scene, *, verdict: Verdict, stamp: str) -> Figure:
    """Draw the whole scenario of the learned policy on the left and of the other controller on the right.

    Args:
        scene: One scenario under both controllers.
        verdict: An invalid comparison is marked.
        stamp: Stamp of the drawing session.
    """
    heading = f"{MEAN_OVER_S:g} s means {DETECTOR_M:g} m before the stop line, {scene.title}"
    drawn = paper.blank_figure((11.0, 5.2), stamp=stamp, verdict=verdict, heading=heading)
    left, right = drawn.subplots(1, 2, sharex=True, sharey=True)
    for axes, run in ((left, scene.policy), (right, scene.other)):
        _draw_curves(axes, run.settings.traffic)
        density, flow = detector_means(run)
        for approach, name in enumerate(APPROACH_NAMES):
            axes.plot(
                density[:, approach] * 1000.0,
                flow[:, approach] * 3600.0,
                _MARKERS[approach],
                color=_COLOURS[approach],
                markersize=4.2,
                alpha=0.6,
                markeredgewidth=0,
                label=f"from the {name}",
            )
        axes.set_title(label_of(run.controller), loc="left", fontsize=10)
        axes.set_xlabel("density (vehicles per km)")
        axes.grid(color=paper.PALE, linewidth=0.7)
        axes.set_axisbelow(True)
        paper.plain_frame(axes)
    left.set_ylabel("flow (vehicles per hour)")
    left.set_xlim(0.0, None)
    left.set_ylim(0.0, None)
    for axes in (left, right):
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.11), ncols=3, frameon=False, fontsize=8)
    return drawn


def detector_means(run: Trace) -> tuple[Floats, Floats]:
    """Density and flow at the detector, each of shape (means, 4), veh/m and veh/s.

    The density is that of the cell before the detector, the flow the number of vehicles that pass it. An incomplete
    interval at the end is left out.
    """
    traffic = run.settings.traffic
    cells = max(1, traffic.n_cells - round(DETECTOR_M / traffic.dx_m))
    per_mean = min(run.n_steps, run.settings.steps_in(MEAN_OVER_S))
    means = run.n_steps // per_mean
    edges = np.arange(means + 1) * per_mean
    flow = np.diff(run.passed_veh(cells)[edges], axis=0) / (per_mean * traffic.dt_s)
    density = run.density_veh_m[: edges[-1], :4, cells - 1].reshape(means, per_mean, 4).mean(axis=1)
    return density, flow


def _draw_curves(axes: Axes, traffic: TrafficParameters) -> None:
    """Draw `q = rho (w - vf rho / rho_jam)` for drivers in equilibrium, `w = vf`, and for the slowest arrivals."""
    slowest = DemandRanges().w_share[0]
    for share, style, name in (
        (1.0, "-", r"equilibrium $q = \rho\, v_f\, (1 - \rho / \rho_{jam})$"),
        (slowest, "--", f"slowest drivers, $w = {slowest:g}\\, v_f$"),
    ):
        rho = np.linspace(0.0, share * traffic.rho_jam_veh_m, 200)
        flow = rho * (share * traffic.vf_m_s - traffic.pressure_slope * rho)
        axes.plot(rho * 1000.0, flow * 3600.0, style, color=paper.INK, linewidth=1.3, label=name)
