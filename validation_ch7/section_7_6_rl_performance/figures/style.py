"""Style of all figures: background, colours, controller names, stamp, and how a file is written.

Drawn without pyplot: no global state, no display. Colours: Okabe & Ito, distinguishable for colour-blind readers.
"""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from orchestrator.kernel.files.atomic import write_atomically
from orchestrator.kernel.outcome import Verdict
from validation_ch7.section_7_6_rl_performance.verdict.sanity_checks import POLICY

DPI = 150
BLUE, VERMILION, GREEN, YELLOW = "#0072B2", "#D55E00", "#009E73", "#F0E442"
GREY, PALE, INK = "#7A7A7A", "#E4E4E4", "#222222"

_LABELS = {
    "rl": "learned policy",
    "fixed_time": "fixed time (tuned)",
    "webster": "Webster plan",
    "actuated": "actuated",
    "max_pressure": "max pressure",
    "longest_queue": "longest queue",
    "constant_ns": "always north-south",
    "constant_ew": "always east-west",
    "random": "random",
}
_STAMP_STRIP_IN = 0.17
_MARK_STRIP_IN = 0.26
_HEADING_STRIP_IN = 0.28


def blank_figure(
    size_in: tuple[float, float], *, stamp: str, verdict: Verdict | None = None, heading: str = ""
) -> Figure:
    """A white figure with the stamp at the bottom, a mark if the comparison is invalid, and a heading.

    The layout keeps the axes clear of these texts.

    Args:
        size_in: Width and height in inches.
        stamp: Stamp of the drawing session.
        verdict: Verdict on the comparison; None for a figure that marks an invalid one itself.
        heading: A line above all axes.
    """
    drawn = Figure(figsize=size_in, dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(drawn)
    height_in = size_in[1]
    drawn.text(0.995, 0.012, stamp, ha="right", va="bottom", fontsize=6.5, color=GREY, family="monospace")
    top_in = height_in
    if verdict is Verdict.INVALID:
        mark = "INVALID comparison: do not use"
        place = (top_in - 0.04) / height_in
        drawn.text(0.5, place, mark, ha="center", va="top", fontsize=11, color=INK, weight="bold")
        top_in -= _MARK_STRIP_IN
    if heading:
        drawn.text(0.012, (top_in - 0.08) / height_in, heading, ha="left", va="top", fontsize=11, color=INK)
        top_in -= _HEADING_STRIP_IN
    room = (0.0, _STAMP_STRIP_IN / height_in, 1.0, (top_in - _STAMP_STRIP_IN) / height_in)
    # The engine of `constrained` has these arguments.
    drawn.get_layout_engine().set(w_pad=0.12, h_pad=0.09, wspace=0.04, rect=room)  # type: ignore[union-attr, call-arg]
    return drawn


def write_figure(figure: Figure, path: Path) -> None:
    """Write a figure atomically as PNG; equal figures give equal bytes.

    Raises:
        OSError: The file cannot be written.
    """
    write_atomically(
        path, lambda temporary: figure.savefig(temporary, format="png", dpi=DPI, metadata={"Software": None})
    )


def label_of(controller: str) -> str:
    """A controller's label for readers; its own name if it has none."""
    return _LABELS.get(controller, controller)


def colour_of(controller: str, baseline: str) -> str:
    """Colour of a controller: the policy and the baseline stand out, all others are grey."""
    return {POLICY: BLUE, baseline: VERMILION}.get(controller, GREY)


def plain_frame(axes: Axes) -> None:
    """Show only the left and bottom spines."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#9A9A9A")
    axes.tick_params(colors=INK, labelsize=9)
