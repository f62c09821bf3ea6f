"""Finds legends that cover data, by geometry."""

from __future__ import annotations

from matplotlib.figure import Figure

_ROUNDING_PX = 1.0


def legends_over_data(figure: Figure) -> list[list[str]]:
    """The texts of each legend that reaches into the area of some axes, or out of the picture."""
    found = []
    for legend in [*figure.legends, *(one.get_legend() for one in figure.axes if one.get_legend() is not None)]:
        box = legend.get_window_extent()
        inside = figure.bbox.padded(_ROUNDING_PX)
        beyond = not (inside.containsx(box.x0) and inside.containsx(box.x1) and inside.containsy(box.y0))
        over = any(box.overlaps(one.get_window_extent().padded(-_ROUNDING_PX)) for one in figure.axes)
        if over or beyond or not inside.containsy(box.y1):
            found.append([text.get_text() for text in legend.get_texts()])
    return found
