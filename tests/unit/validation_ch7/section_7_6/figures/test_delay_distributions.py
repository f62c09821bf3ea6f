"""The delay figure has readable rows; values without a logarithm are left out."""

from pathlib import Path

import numpy as np
import pytest
from made_results import MEAN_DELAY_S, result
from made_scene import STAMP, words

from orchestrator.kernel.outcome import Verdict
from validation_ch7.figures.style import write_figure
from validation_ch7.section_7_6_rl_performance.figures.delay_distributions import (
    delay_figure,
    density_on_a_log_axis,
)

ALL = {
    **MEAN_DELAY_S,
    "webster": 28.5,
    "actuated": 23.0,
    "max_pressure": 22.0,
    "longest_queue": 24.0,
    "sotl": 25.0,
    "rollout": 20.0,
}
DELAYS = {name: result(name, mean_s).delay_s_per_veh for name, mean_s in ALL.items()}


def test_rows_are_sorted_and_no_texts_overlap(tmp_path: Path) -> None:
    figure = delay_figure(DELAYS, baseline="fixed_time", verdict=Verdict.SUPPORTED, stamp=STAMP)
    write_figure(figure, tmp_path / "figure.png")
    left, right = figure.axes
    rows = [label.get_text() for label in left.get_yticklabels()]
    assert len(rows) == 11 and rows[:3] == ["rollout (knows the model)", "learned policy", "max pressure"]
    assert rows[-1] == "always north-south"
    boxes = [text.get_window_extent() for axes in (left, right) for text in axes.texts]
    boxes += [label.get_window_extent() for label in left.get_yticklabels()]
    assert len(boxes) == 11 + 10 + 11  # the baseline is not compared with itself
    assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place])
    assert STAMP in words(figure) and "(s)" in left.get_xlabel()


def test_the_figure_shows_the_medians_of_delays_and_of_ratios() -> None:
    pair = {"rl": np.array([10.0, 20.0, 40.0]), "fixed_time": np.array([20.0, 40.0, 50.0])}
    texts = words(delay_figure(pair, baseline="fixed_time", verdict=Verdict.SUPPORTED, stamp=STAMP))
    assert "20.0 s" in texts and "40.0 s" in texts
    assert "× 0.50" in texts  # the median of 0.5, 0.5 and 0.8


@pytest.mark.parametrize(
    "delays",
    [{}, {"rl": np.full(60, np.nan)}, {"rl": np.zeros(60)}, {"rl": np.full(60, 5.0)}, {"rl": np.array([5.0])}],
    ids=["nothing", "nan", "zero", "all equal", "one"],
)
def test_degenerate_numbers_are_drawn_and_marked_invalid(delays: dict[str, np.ndarray], tmp_path: Path) -> None:
    figure = delay_figure(delays, baseline="fixed_time", verdict=Verdict.INVALID, stamp=STAMP)
    write_figure(figure, tmp_path / "figure.png")
    assert "INVALID" in words(figure)


def test_the_density_shape_follows_the_points() -> None:
    values = np.concatenate((np.full(30, 10.0) + np.arange(30) * 0.01, np.full(10, 100.0)))
    shape = density_on_a_log_axis(values, np.array([1.0, 1.5, 2.0]))
    assert shape.max() == 1.0 and shape[0] > shape[2] > shape[1]
