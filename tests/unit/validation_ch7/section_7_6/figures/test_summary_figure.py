"""The summary figure shows its numbers sorted and with units, and equal input gives an equal file."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from made_results import results
from matplotlib.figure import Figure
from matplotlib.text import Text

from orchestrator.kernel.outcome import Verdict
from validation_ch7.figures.style import DPI, write_figure
from validation_ch7.section_7_6_rl_performance.figures.learning_curve import LearningCurve
from validation_ch7.section_7_6_rl_performance.figures.summary_figure import comparison_figure
from validation_ch7.section_7_6_rl_performance.verdict.statistics import Bootstrap

BOOTSTRAP = Bootstrap(n_scenarios=60, seed=0, n_resamples=200)
CURVE = LearningCurve(
    steps=[20_000, 40_000, 60_000],
    delay_s_per_veh=[26.0, 24.5, 25.0],
    seams=[30_000, 50_000],
    best_steps=40_000,
    classical_s_per_veh={"fixed_time": 32.6, "actuated": 20.0},
)


def delays(**changed: npt.NDArray[np.float64]) -> dict[str, npt.NDArray[np.float64]]:
    return {name: hours.delay_s_per_veh for name, hours in results().items()} | changed


def drawn(
    shown: Mapping[str, npt.NDArray[np.float64]] | None = None,
    *,
    curve: LearningCurve = CURVE,
    verdict: Verdict = Verdict.SUPPORTED,
) -> Figure:
    return comparison_figure(
        delays() if shown is None else shown,
        baseline="fixed_time",
        verdict=verdict,
        bootstrap=BOOTSTRAP,
        curve=curve,
        stamp="run run-7 session 3 nonce abc123",
    )


def words(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(Text))


def test_rows_are_sorted_and_axes_have_units() -> None:
    left, right = drawn().axes
    assert [label.get_text() for label in left.get_yticklabels()] == [
        "rollout (knows the model)",
        "actuated",
        "learned policy",
        "self-organizing",
        "longest queue",
        "max pressure",
        "Webster plan",
        "fixed time (tuned)",
        "random",
        "always east-west",
        "always north-south",
    ]
    assert left.get_ylim()[0] > left.get_ylim()[1]  # the first row is on top
    assert "(s)" in left.get_xlabel() and "(s)" in right.get_ylabel() and "steps" in right.get_xlabel()


def test_every_scenario_is_a_point() -> None:
    left, _ = drawn().axes
    shown = sorted(
        float(x) for points in left.collections for x, _ in points.get_offsets() if len(points.get_offsets()) == 60
    )
    assert shown == sorted(float(value) for values in delays().values() for value in values)


def test_the_reduction_is_shown_with_its_sign() -> None:
    assert "30.0 % less delay\nthan fixed time (tuned)" in words(drawn(delays(rl=0.7 * delays()["fixed_time"])))
    assert "20.0 % more delay\nthan fixed time (tuned)" in words(drawn(delays(rl=1.2 * delays()["fixed_time"])))


def test_an_invalid_comparison_shows_no_reduction() -> None:
    texts = words(drawn(verdict=Verdict.INVALID))
    assert "INVALID" in texts and "less delay" not in texts


@pytest.mark.parametrize("left_out", [np.full(60, np.nan), np.full(40, 21.0)])
def test_values_that_cannot_be_drawn_are_left_out_of_an_invalid_figure(
    left_out: npt.NDArray[np.float64], tmp_path: Path
) -> None:
    figure = drawn(delays(rl=left_out), verdict=Verdict.INVALID)
    assert "learned policy" not in [label.get_text() for label in figure.axes[0].get_yticklabels()]
    write_figure(figure, tmp_path / "figure.png")
    write_figure(drawn({"rl": left_out}, verdict=Verdict.INVALID), tmp_path / "nothing.png")


def test_the_learning_curve_shows_its_seams_and_its_reference() -> None:
    _, right = drawn().axes
    lines = {str(line.get_label()): line for line in right.lines}
    assert list(lines["learned policy"].get_ydata()) == CURVE.delay_s_per_veh
    assert list(lines["fixed time (tuned)"].get_ydata()) == [32.6, 32.6]
    assert list(lines["actuated"].get_ydata()) == [20.0, 20.0]  # the best of the other controllers
    assert [*lines["kept: the best on these scenarios"].get_xdata()] == [40_000]
    vertical = [
        line.get_xdata()[0] for line in right.lines if len(set(line.get_xdata())) == 1 and len(line.get_xdata()) == 2
    ]
    assert vertical == [30_000, 50_000]
    assert right.get_legend() is not None and len(right.get_legend().get_texts()) == 5  # all seams share one entry


def test_a_training_with_one_evaluation_can_be_drawn(tmp_path: Path) -> None:
    figure = drawn(curve=LearningCurve(steps=[200], delay_s_per_veh=[40.0]))
    write_figure(figure, tmp_path / "figure.png")
    assert len(figure.axes[1].lines) == 1


def test_scenarios_without_delay_can_be_drawn(tmp_path: Path) -> None:
    figure = drawn(delays(rl=np.zeros(60)))
    write_figure(figure, tmp_path / "figure.png")
    assert figure.axes[0].get_xscale() == "linear" and "100.0 % less" in words(figure)


def out_of_view(figure: Figure) -> list[Text]:
    """Labels of ticks outside the view of their axis, which are never drawn."""
    beyond = []
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        beyond += [tick.label1 for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high]
    return beyond


def test_the_stamp_is_inside_the_figure_and_no_texts_overlap(tmp_path: Path) -> None:
    figure = drawn()
    write_figure(figure, tmp_path / "figure.png")  # computes the layout
    boxes = {
        text.get_text(): text.get_window_extent()
        for text in figure.findobj(Text)
        if text.get_text() and text not in out_of_view(figure)
    }
    stamp = boxes["run run-7 session 3 nonce abc123"]
    width, height = figure.get_size_inches() * DPI
    for text, box in boxes.items():
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height, text
        assert box is stamp or not stamp.overlaps(box), text
    names = [boxes[text] for text in boxes if " [" in text or "%" in text]
    assert len(names) == 13  # eleven row notes, the reduction, the title
    assert not any(one.overlaps(other) for place, one in enumerate(names) for other in names[:place])


def test_the_same_numbers_give_the_same_file(tmp_path: Path) -> None:
    for name in ("one.png", "other.png"):
        write_figure(drawn(), tmp_path / name)
    content = (tmp_path / "one.png").read_bytes()
    assert b"Matplotlib" not in content  # the file does not contain the library's name and version
    assert content.startswith(b"\x89PNG") and content == (tmp_path / "other.png").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.png", "other.png"]
