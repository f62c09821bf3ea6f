"""The check of legends notices one that covers data."""

from typing import Any

import pytest
from matplotlib.figure import Figure

from tests.doubles.legends import legends_over_data


@pytest.mark.parametrize(
    ("place", "covers"),
    [({"loc": "center"}, True), ({"loc": "lower left", "bbox_to_anchor": (0.0, 1.0)}, False), ({"loc": "best"}, True)],
)
def test_a_legend_over_its_axes_is_noticed(place: dict[str, Any], covers: bool) -> None:
    figure = Figure()
    axes = figure.add_axes((0.1, 0.1, 0.7, 0.7))
    axes.plot([0, 1], [0, 1], label="delay")
    axes.legend(**place)
    figure.draw_without_rendering()
    assert legends_over_data(figure) == ([["delay"]] if covers else [])


def test_a_legend_out_of_the_picture_is_noticed() -> None:
    figure = Figure()
    axes = figure.add_axes((0.1, 0.1, 0.85, 0.85))
    axes.plot([0, 1], [0, 1], label="delay")
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.1))
    figure.draw_without_rendering()
    assert legends_over_data(figure) == [["delay"]]
