"""The one figure of the section: what each controller costs, and how the policy learned it.

Drawn without pyplot: no global state, no display. Colours: Okabe & Ito, safe for colour-blind readers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from kernel_templates.kernel_runtime.atomic import write_atomically
from kernel_templates.kernel_runtime.endings import Verdict
from validation_ch7.section_7_6_rl_performance.plausibility import POLICY
from validation_ch7.section_7_6_rl_performance.statistics import Picks, mean_estimate
from validation_ch7.traffic.arz import Floats

DPI = 150

_BLUE, _VERMILION, _GREY, _INK = "#0072B2", "#D55E00", "#7A7A7A", "#222222"
_LABELS = {
    "rl": "learned policy",
    "fixed_time": "fixed time (tuned)",
    "constant_ns": "always north-south",
    "constant_ew": "always east-west",
    "random": "random",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningCurve:
    """How the policy did on tuning scenarios while it learned.

    Attributes:
        steps: Environment steps at each evaluation.
        delay_s_per_veh: Mean delay at each of them, s per vehicle.
        seams: Steps at which sessions were cut.
        best_steps: Steps of the model that was kept, None where none was.
        fixed_time_s_per_veh: The tuned plan on the same tuning scenarios, None where it is not known.
    """

    steps: Sequence[int]
    delay_s_per_veh: Sequence[float]
    seams: Sequence[int] = field(default=())
    best_steps: int | None = None
    fixed_time_s_per_veh: float | None = None


def comparison_figure(
    delays_s_per_veh: Mapping[str, Floats],
    *,
    baseline: str,
    verdict: Verdict,
    picks: Picks,
    curve: LearningCurve,
    stamp: str,
) -> Figure:
    """Draw the comparison on the left and the learning curve on the right.

    Args:
        delays_s_per_veh: Controller name -> delay per scenario, shape (n,), s per vehicle; what is not finite, or of
            another number of scenarios than the picks, is left out.
        baseline: Controller that the policy is measured against.
        verdict: An invalid comparison says so in the place of its reduction.
        picks: Scenarios of each resample, shape (resamples, n).
        curve: How the policy learned.
        stamp: Which session drew it; printed at the bottom.
    """
    drawn = Figure(figsize=(11.0, 4.9), dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(drawn)
    drawn.get_layout_engine().set(w_pad=0.12, h_pad=0.09, wspace=0.04, rect=(0.0, 0.035, 1.0, 0.965))  # type: ignore[union-attr, call-arg]
    left, right = drawn.subplots(1, 2, width_ratios=(1.25, 1.0))
    sound = {name: values for name, values in delays_s_per_veh.items() if _can_be_drawn(values, picks)}
    _draw_controllers(left, sound, baseline, picks)
    _tell_reduction(left, sound, baseline, verdict)
    _draw_curve(right, curve)
    drawn.text(0.995, 0.012, stamp, ha="right", va="bottom", fontsize=6.5, color=_GREY, family="monospace")
    return drawn


def write_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, whole or not at all; the file depends on nothing but the figure.

    Raises:
        OSError: The disk refused.
    """
    write_atomically(
        path, lambda temporary: figure.savefig(temporary, format="png", dpi=DPI, metadata={"Software": None})
    )


def _draw_controllers(axes: Axes, delays_s: Mapping[str, Floats], baseline: str, picks: Picks) -> None:
    """Rows sorted by mean delay, the best on top, on a logarithmic axis: some are worse by an order of magnitude."""
    names = _sorted_names(delays_s)
    for row, name in enumerate(names):
        values_s, colour = delays_s[name], _colour(name, baseline)
        axes.scatter(
            values_s, row + _spread(len(values_s)), s=9, color=colour, alpha=0.22, linewidths=0, zorder=2, clip_on=False
        )
        mean = mean_estimate(values_s, picks)
        axes.errorbar(
            mean.value,
            row,
            xerr=[[mean.value - mean.low], [mean.high - mean.value]],
            fmt="none",
            ecolor=colour,
            elinewidth=2.2,
            capsize=4,
            capthick=1.8,
            zorder=3,
        )
        axes.plot(
            mean.value, row, "D", color=colour, markersize=5, markeredgecolor="white", markeredgewidth=0.6, zorder=4
        )
        note = f"{mean.value:.1f} s  [{mean.low:.1f}, {mean.high:.1f}]"
        axes.annotate(
            note, (mean.value, row), (0, -15), "data", "offset points", ha="center", va="top", fontsize=8, color=_INK
        )
    _logarithmic(axes, np.concatenate([*delays_s.values(), np.empty(0)]))
    axes.set_yticks(range(len(names)), [_LABELS.get(name, name) for name in names])
    axes.set_ylim(max(1, len(names)) - 0.4, -0.5)
    axes.set_xlabel("delay per vehicle (s)" + (", logarithmic" if axes.get_xscale() == "log" else ""))
    n_scenarios = picks.shape[1]
    axes.set_title(f"{n_scenarios} unseen test scenarios: each, mean and 95 % interval", loc="left", fontsize=10)
    axes.grid(axis="x", color="#E4E4E4", linewidth=0.7)
    _plain_frame(axes)
    axes.tick_params(axis="y", length=0)


def _tell_reduction(axes: Axes, delays_s: Mapping[str, Floats], baseline: str, verdict: Verdict) -> None:
    """In words at the right end of the policy's row, which the worst controllers keep free."""
    if verdict is Verdict.INVALID:
        row, text, colour = 0.0, "INVALID\nnot to be believed", _INK
    else:
        less = 1.0 - float(delays_s[POLICY].mean()) / float(delays_s[baseline].mean())
        row, colour = float(_sorted_names(delays_s).index(POLICY)), _BLUE
        amount = f"{abs(100.0 * less):.1f} % {'less' if less >= 0.0 else 'more'} delay"
        text = f"{amount}\nthan {_LABELS.get(baseline, baseline)}"
    place = axes.get_yaxis_transform()  # x as a share of the axes, y in data
    axes.text(0.98, row, text, transform=place, ha="right", va="center", fontsize=9.5, color=colour, weight="bold")


def _sorted_names(delays_s: Mapping[str, Floats]) -> list[str]:
    return sorted(delays_s, key=lambda name: float(delays_s[name].mean()))


def _can_be_drawn(values: Floats, picks: Picks) -> bool:
    return len(values) == picks.shape[1] and bool(np.isfinite(values).all())


def _logarithmic(axes: Axes, values_s: Floats) -> None:
    """Ticks as plain seconds. Scenarios without any delay would have no place: then the axis stays linear."""
    if values_s.size == 0 or values_s.min() <= 0.0:
        return
    axes.set_xscale("log")
    axes.set_xlim(values_s.min() / 1.15, values_s.max() * 1.15)
    ticks = [tick for scale in (0.1, 1, 10, 100, 1000) for tick in (scale, 2 * scale, 5 * scale)]
    low, high = axes.get_xlim()
    axes.set_xticks([tick for tick in ticks if low <= tick <= high])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _draw_curve(axes: Axes, curve: LearningCurve) -> None:
    for place, seam in enumerate(curve.seams):
        label = "session cut and resumed" if place == 0 else None
        axes.axvline(seam, color=_GREY, linewidth=1.0, linestyle=(0, (2, 2)), zorder=1, label=label)
    if curve.fixed_time_s_per_veh is not None:
        axes.axhline(
            curve.fixed_time_s_per_veh, color=_VERMILION, linewidth=1.6, linestyle="--", label="fixed time (tuned)"
        )
    axes.plot(
        curve.steps, curve.delay_s_per_veh, color=_BLUE, marker="o", markersize=4, linewidth=1.8, label="learned policy"
    )
    kept = [s for step, s in zip(curve.steps, curve.delay_s_per_veh, strict=True) if step == curve.best_steps]
    if curve.best_steps is not None and kept:
        axes.plot(
            curve.best_steps,
            kept[0],
            "*",
            color=_BLUE,
            markersize=14,
            markeredgecolor="white",
            zorder=5,
            label="kept: the best on these scenarios",
        )
    axes.set_xlabel("environment steps (decisions)")
    axes.set_ylabel("mean delay per vehicle (s)")
    axes.set_title("Learning curve on tuning scenarios", loc="left", fontsize=10)
    axes.set_xlim(left=0)
    axes.margins(y=0.14)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(_steps))
    axes.grid(axis="y", color="#E4E4E4", linewidth=0.7)
    _plain_frame(axes)
    axes.legend(frameon=True, framealpha=1.0, edgecolor="none", fontsize=8, loc="best")


def _steps(value: float, _position: int | None = None) -> str:
    if value >= 1e6:
        return f"{value / 1e6:g} M"
    return f"{value / 1e3:g} k" if value >= 1e3 else f"{value:g}"


def _spread(n: int) -> Floats:
    """Heights that keep points apart: the golden ratio's sequence, even at any length and without chance."""
    heights = (np.arange(n, dtype=np.float64) * 0.6180339887498949) % 1.0
    return np.asarray((heights - 0.5) * 0.44, dtype=np.float64)


def _colour(name: str, baseline: str) -> str:
    return {POLICY: _BLUE, baseline: _VERMILION}.get(name, _GREY)


def _plain_frame(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#9A9A9A")
    axes.tick_params(colors=_INK, labelsize=9)
