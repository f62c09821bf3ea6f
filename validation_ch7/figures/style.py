"""Style of the figures of all sections: background, colours, stamp, and how a file is written.

Drawn without pyplot: no global state, no display. Colours: Okabe & Ito, distinguishable for colour-blind readers.
"""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from orchestrator.kernel.files.atomic import write_atomically
from orchestrator.kernel.outcome import Verdict

DPI = 150
BLUE, VERMILION, GREEN, YELLOW = "#0072B2", "#D55E00", "#009E73", "#F0E442"
GREY, PALE, INK = "#7A7A7A", "#E4E4E4", "#222222"

_STAMP_STRIP_IN = 0.17
_MARK_STRIP_IN = 0.26
_HEADING_STRIP_IN = 0.28


def blank_figure(
    size_in: tuple[float, float],
    *,
    stamp: str,
    verdict: Verdict | None = None,
    heading: str = "",
    judged: str = "comparison",
) -> Figure:
    """A white figure with the stamp at the bottom, a mark if its numbers are invalid, and a heading.

    The layout keeps the axes clear of these texts.

    Args:
        size_in: Width and height in inches.
        stamp: Stamp of the drawing session.
        verdict: Verdict on the numbers; None for a figure that marks invalid ones itself.
        heading: A line above all axes.
        judged: What the verdict is about, for the mark.
    """
    drawn = Figure(figsize=size_in, dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(drawn)
    height_in = size_in[1]
    drawn.text(0.995, 0.012, stamp, ha="right", va="bottom", fontsize=6.5, color=GREY, family="monospace")
    top_in = height_in
    if verdict is Verdict.INVALID:
        mark = f"INVALID {judged}: do not use"
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


def plain_frame(axes: Axes) -> None:
    """Show only the left and bottom spines."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#9A9A9A")
    axes.tick_params(colors=INK, labelsize=9)
