"""All pictures of a comparison: numbers in, files out; a session in a hurry says what it left out."""

from pathlib import Path
from typing import Any

from made_results import results
from made_scene import SETTINGS, STAMP

from orchestrator.kernel.outcome import Verdict
from validation_ch7.section_7_6_rl_performance.controllers.fixed_time import FixedTimeController
from validation_ch7.section_7_6_rl_performance.controllers.trivial import ConstantController
from validation_ch7.section_7_6_rl_performance.figures.all_figures import SUMMARY_NAME, Album, draw
from validation_ch7.section_7_6_rl_performance.figures.learning_curve import LearningCurve
from validation_ch7.section_7_6_rl_performance.verdict.statistics import Bootstrap

ALL = {
    SUMMARY_NAME,
    "fig_learning_curve.png",
    "fig_delay_distributions.png",
    "fig_space_time.png",
    "fig_phase_diagram.png",
    "crossing.gif",
}


def album(**changes: Any) -> Album:
    made: dict[str, Any] = {
        "results": results(),
        "controllers": {"rl": ConstantController(0), "fixed_time": FixedTimeController(14, 14)},
        "settings": SETTINGS,
        "baseline": "fixed_time",
        "verdict": Verdict.SUPPORTED,
        "bootstrap": Bootstrap(n_scenarios=60, seed=0, n_resamples=50),
        "curve": LearningCurve(steps=[100, 200], delay_s_per_veh=[40.0, 30.0], seams=[150]),
        "stamp": STAMP,
    }
    return Album(**{**made, **changes})


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_everything_is_drawn(tmp_path: Path) -> None:
    said: list[str] = []
    draw(album(), tmp_path, must_leave=lambda: False, say=said.append)
    assert names(tmp_path) == ALL and not said
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 3_000_000


def test_a_session_that_must_leave_has_the_summary_and_says_what_it_lacks(tmp_path: Path) -> None:
    said: list[str] = []
    draw(album(), tmp_path, must_leave=lambda: True, say=said.append)
    assert names(tmp_path) == {SUMMARY_NAME}
    assert len(said) == 1 and "must stop" in said[0] and all(name in said[0] for name in ALL - {SUMMARY_NAME})


def test_the_clock_is_asked_before_each_picture(tmp_path: Path) -> None:
    draw(album(), tmp_path, must_leave=iter([False, True]).__next__, say=lambda text: None)
    assert names(tmp_path) == {SUMMARY_NAME, "fig_learning_curve.png"}


def test_without_the_two_controllers_there_is_no_crossing_to_show(tmp_path: Path) -> None:
    said: list[str] = []
    draw(album(controllers={"rl": ConstantController(0)}), tmp_path, must_leave=lambda: False, say=said.append)
    assert names(tmp_path) == {SUMMARY_NAME, "fig_learning_curve.png", "fig_delay_distributions.png"}
    assert len(said) == 1 and "fixed_time" in said[0]
