"""The summary figure of the section: the delay of each controller, and the policy's learning curve."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from orchestrator.kernel.outcome import Verdict
from validation_ch7.figures.style import BLUE, INK, PALE, blank_figure, plain_frame
from validation_ch7.section_7_6_rl_performance.figures.learning_curve import LearningCurve, draw_curve
from validation_ch7.section_7_6_rl_performance.figures.style import colour_of, label_of
from validation_ch7.section_7_6_rl_performance.verdict.sanity_checks import POLICY
from validation_ch7.section_7_6_rl_performance.verdict.statistics import Bootstrap, mean_estimate
from validation_ch7.traffic.model.arz import Floats


def comparison_figure(
    delays_s_per_veh: Mapping[str, Floats],
    *,
    baseline: str,
    verdict: Verdict,
    bootstrap: Bootstrap,
    curve: LearningCurve,
    stamp: str,
) -> Figure:
    """Draw the comparison on the left and the learning curve on the right.

    Args:
        delays_s_per_veh: Controller name -> delay per scenario, shape (n,), s per vehicle; controllers with values
            that are not finite, or with another number of scenarios than the bootstrap, are left out.
        baseline: Controller that the policy is compared with.
        verdict: An invalid comparison is marked in place of the reduction.
        bootstrap: Resampling of the scenarios.
        curve: The policy's learning curve.
        stamp: Stamp of the drawing session; printed at the bottom.
    """
    sound = {name: values for name, values in delays_s_per_veh.items() if _can_be_drawn(values, bootstrap)}
    height_in = max(4.9, 1.15 + 0.62 * len(sound))
    drawn = blank_figure((11.0, height_in), stamp=stamp)  # an invalid comparison is marked below
    left, right = drawn.subplots(1, 2, width_ratios=(1.25, 1.0))
    _draw_controllers(left, sound, baseline, bootstrap)
    _write_reduction(left, sound, baseline, verdict)
    draw_curve(right, curve)
    return drawn


def _draw_controllers(axes: Axes, delays_s: Mapping[str, Floats], baseline: str, bootstrap: Bootstrap) -> None:
    """Draw rows sorted by mean delay, the best on top; logarithmic, since delays span an order of magnitude."""
    names = _sorted_names(delays_s)
    for row, name in enumerate(names):
        values_s, colour = delays_s[name], colour_of(name, baseline)
        axes.scatter(
            values_s, row + _spread(len(values_s)), s=9, color=colour, alpha=0.22, linewidths=0, zorder=2, clip_on=False
        )
        mean = mean_estimate(values_s, bootstrap)
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
            note, (mean.value, row), (0, -15), "data", "offset points", ha="center", va="top", fontsize=8, color=INK
        )
    _logarithmic(axes, np.concatenate([*delays_s.values(), np.empty(0)]))
    axes.set_yticks(range(len(names)), [label_of(name) for name in names])
    axes.set_ylim(max(1, len(names)) - 0.4, -0.5)
    axes.set_xlabel("delay per vehicle (s)" + (", logarithmic" if axes.get_xscale() == "log" else ""))
    n_scenarios = bootstrap.n_scenarios
    axes.set_title(f"{n_scenarios} unseen test scenarios: each, mean and 95 % interval", loc="left", fontsize=10)
    axes.grid(axis="x", color=PALE, linewidth=0.7)
    plain_frame(axes)
    axes.tick_params(axis="y", length=0)


def _write_reduction(axes: Axes, delays_s: Mapping[str, Floats], baseline: str, verdict: Verdict) -> None:
    """Write the reduction at the right end of the policy's row, which is usually empty."""
    if verdict is Verdict.INVALID:
        row, text, colour = 0.0, "INVALID\ndo not use", INK
    else:
        less = 1.0 - float(delays_s[POLICY].mean()) / float(delays_s[baseline].mean())
        row, colour = float(_sorted_names(delays_s).index(POLICY)), BLUE
        amount = f"{abs(100.0 * less):.1f} % {'less' if less >= 0.0 else 'more'} delay"
        text = f"{amount}\nthan {label_of(baseline)}"
    place = axes.get_yaxis_transform()  # x as a share of the axes, y in data
    axes.text(0.98, row, text, transform=place, ha="right", va="center", fontsize=9.5, color=colour, weight="bold")


def _sorted_names(delays_s: Mapping[str, Floats]) -> list[str]:
    return sorted(delays_s, key=lambda name: float(delays_s[name].mean()))


def _can_be_drawn(values: Floats, bootstrap: Bootstrap) -> bool:
    return len(values) == bootstrap.n_scenarios and bool(np.isfinite(values).all())


def _logarithmic(axes: Axes, values_s: Floats) -> None:
    """Use a logarithmic axis with ticks in seconds; the axis stays linear if a scenario has no delay."""
    if values_s.size == 0 or values_s.min() <= 0.0:
        return
    axes.set_xscale("log")
    axes.set_xlim(values_s.min() / 1.5, values_s.max() * 1.15)  # the note below the first point needs room
    ticks = [tick for scale in (0.1, 1, 10, 100, 1000) for tick in (scale, 2 * scale, 5 * scale)]
    low, high = axes.get_xlim()
    axes.set_xticks([tick for tick in ticks if low <= tick <= high])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _spread(n: int) -> Floats:
    """Vertical offsets that separate points: the golden ratio sequence, evenly spread and not random."""
    heights = (np.arange(n, dtype=np.float64) * 0.6180339887498949) % 1.0
    return np.asarray((heights - 0.5) * 0.44, dtype=np.float64)
