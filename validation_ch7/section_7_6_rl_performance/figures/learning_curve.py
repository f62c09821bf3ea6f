"""The policy's learning curve on tuning scenarios, with the steps at which sessions were cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from orchestrator.kernel.outcome import Verdict
from validation_ch7.figures.style import BLUE, GREEN, GREY, PALE, VERMILION, blank_figure, plain_frame
from validation_ch7.section_7_6_rl_performance.figures.style import label_of


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningCurve:
    """The policy's evaluations on tuning scenarios during training.

    Attributes:
        steps: Environment steps at each evaluation.
        delay_s_per_veh: Mean delay at each evaluation, s per vehicle.
        seams: Steps at which sessions were cut.
        best_steps: Steps of the best model, None if there is none.
        classical_s_per_veh: Tuned controller -> its mean delay on the same tuning scenarios; `fixed_time`,
            `actuated` and the best of them are drawn.
    """

    steps: Sequence[int]
    delay_s_per_veh: Sequence[float]
    seams: Sequence[int] = field(default=())
    best_steps: int | None = None
    classical_s_per_veh: Mapping[str, float] = field(default_factory=dict)


def learning_curve_figure(curve: LearningCurve, *, verdict: Verdict, stamp: str) -> Figure:
    """Draw the curve as a separate figure.

    Args:
        curve: The learning curve.
        verdict: An invalid comparison is marked.
        stamp: Stamp of the drawing session.
    """
    drawn = blank_figure((9.0, 4.9), stamp=stamp, verdict=verdict)
    draw_curve(drawn.subplots(), curve)
    return drawn


def draw_curve(axes: Axes, curve: LearningCurve) -> None:
    """Draw the curve into existing axes."""
    for place, seam in enumerate(curve.seams):
        label = "session cut and resumed" if place == 0 else None
        axes.axvline(seam, color=GREY, linewidth=1.0, linestyle=(0, (2, 2)), zorder=1, label=label)
    for name, style in _references(curve.classical_s_per_veh):
        axes.axhline(curve.classical_s_per_veh[name], linewidth=1.6, label=label_of(name), **style)
    axes.plot(
        curve.steps, curve.delay_s_per_veh, color=BLUE, marker="o", markersize=4, linewidth=1.8, label="learned policy"
    )
    kept = [s for step, s in zip(curve.steps, curve.delay_s_per_veh, strict=True) if step == curve.best_steps]
    if curve.best_steps is not None and kept:
        axes.plot(
            curve.best_steps,
            kept[0],
            "*",
            color=BLUE,
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
    axes.grid(axis="y", color=PALE, linewidth=0.7)
    plain_frame(axes)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2, frameon=False, fontsize=8)


def _references(classical: Mapping[str, float]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Controllers drawn as reference lines, with their line styles: the fixed plan, actuated control, and the best."""
    styles: dict[str, dict[str, Any]] = {
        "fixed_time": {"color": VERMILION, "linestyle": "--"},
        "actuated": {"color": GREEN, "linestyle": "-."},
    }
    if classical:
        styles.setdefault(min(classical, key=lambda name: classical[name]), {"color": GREY, "linestyle": ":"})
    yield from ((name, style) for name, style in styles.items() if name in classical)


def _steps(value: float, _position: int | None = None) -> str:
    if value >= 1e6:
        return f"{value / 1e6:g} M"
    return f"{value / 1e3:g} k" if value >= 1e3 else f"{value:g}"
