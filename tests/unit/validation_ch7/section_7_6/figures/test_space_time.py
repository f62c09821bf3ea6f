"""The space-time figure shows the recorded densities and lamps."""

from pathlib import Path

import numpy as np
import pytest
from made_scene import STAMP, scene, spoilt_scene, words
from matplotlib.colors import to_hex

from orchestrator.kernel.outcome import Verdict
from validation_ch7.figures.style import DPI, write_figure
from validation_ch7.section_7_6_rl_performance.figures.phase_diagram import detector_means, phase_figure
from validation_ch7.section_7_6_rl_performance.figures.recording import GREEN, RED
from validation_ch7.section_7_6_rl_performance.figures.space_time import LAMP_COLOURS, space_time_figure

SUPPORTED = Verdict.SUPPORTED


def test_densities_are_per_km_and_the_policy_is_on_top() -> None:
    figure = space_time_figure(scene(), verdict=SUPPORTED, stamp=STAMP)
    upper, lower, _ = figure.axes
    assert "learned policy" in upper.get_title(loc="left") and "fixed time" in lower.get_title(loc="left")
    shown = [np.asarray(axes.images[0].get_array()) for axes in (upper, lower)]
    assert shown[0].shape == (6, 240)  # three cells before and three after the stop line
    assert shown[0][2].max() == pytest.approx(30.0) and shown[1][2].max() == pytest.approx(150.0)
    assert [*upper.images[0].get_extent()] == [0.0, 2.0, -30.0, 30.0]
    assert "(min)" in lower.get_xlabel() and "(m)" in upper.get_ylabel()


def test_the_signal_of_the_approach_is_drawn() -> None:
    upper = space_time_figure(scene(), verdict=SUPPORTED, stamp=STAMP).axes[0]
    bars = [(bars.get_paths()[0].get_extents(), to_hex(bars.get_facecolor()[0])) for bars in upper.collections]
    assert [colour.upper() for _, colour in bars] == [LAMP_COLOURS[RED], LAMP_COLOURS[GREEN]]  # from the west
    assert bars[0][0].x1 == pytest.approx(44.0 / 60.0) and bars[1][0].x1 == pytest.approx(2.0)


def test_detectors_count_passing_vehicles() -> None:
    density, flow = detector_means(scene().other)
    assert density.shape == flow.shape == (12, 4)
    assert flow[:, 3] == pytest.approx(np.full(12, 0.5))  # one vehicle every 2 s
    assert not flow[:, :3].any()


def test_the_phase_diagram_has_the_equilibrium_curve_of_the_model() -> None:
    left, right = phase_figure(scene(), verdict=SUPPORTED, stamp=STAMP).axes
    curve = next(line for line in left.lines if "equilibrium" in str(line.get_label()))
    assert np.max(curve.get_ydata()) == pytest.approx(13.89 * 0.15 / 4 * 3600.0, rel=1e-3)
    assert np.max(curve.get_xdata()) == pytest.approx(150.0)
    assert "per km" in left.get_xlabel() and "per hour" in left.get_ylabel()
    assert {f"from the {name}" for name in ("north", "south", "east", "west")} <= {
        str(line.get_label()) for line in right.lines
    }


@pytest.mark.parametrize("draw", [space_time_figure, phase_figure])
def test_figures_are_stamped_marked_and_reproducible(draw: type[object], tmp_path: Path) -> None:
    for name in ("one.png", "other.png"):
        # One of two functions that draw.
        figure = draw(spoilt_scene(), verdict=Verdict.INVALID, stamp=STAMP)  # type: ignore[call-arg]
        write_figure(figure, tmp_path / name)  # type: ignore[arg-type]  # one of two functions that draw
        # One of two functions that draw.
        assert STAMP in words(figure) and "INVALID" in words(figure)  # type: ignore[arg-type]
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "other.png").read_bytes()
    # One of two functions that draw.
    assert "INVALID" not in words(draw(scene(), verdict=SUPPORTED, stamp=STAMP))  # type: ignore[call-arg, arg-type]


def test_the_stamp_overlaps_no_other_text(tmp_path: Path) -> None:
    figure = space_time_figure(scene(), verdict=Verdict.INVALID, stamp=STAMP)
    write_figure(figure, tmp_path / "figure.png")  # computes the layout
    width, height = figure.get_size_inches() * DPI
    boxes = [text.get_window_extent() for text in figure.texts]  # the stamp, the INVALID mark and the heading
    assert len(boxes) == 3
    # An axis without a box would fail the test.
    boxes += [axes.get_tightbbox() for axes in figure.axes]  # type: ignore[misc]
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height for box in boxes)
    assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[: min(place, 3)])
