"""All figures of a comparison are drawn; a session that must stop reports the missing ones."""

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
    values: dict[str, Any] = {
        "results": results(),
        "controllers": {"rl": ConstantController(0), "fixed_time": FixedTimeController(14, 14)},
        "settings": SETTINGS,
        "baseline": "fixed_time",
        "verdict": Verdict.SUPPORTED,
        "bootstrap": Bootstrap(n_scenarios=60, seed=0, n_resamples=50),
        "curve": LearningCurve(steps=[100, 200], delay_s_per_veh=[40.0, 30.0], seams=[150]),
        "stamp": STAMP,
    }
    return Album(**{**values, **changes})


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_all_figures_are_drawn(tmp_path: Path) -> None:
    messages: list[str] = []
    draw(album(), tmp_path, must_leave=lambda: False, say=messages.append)
    assert names(tmp_path) == ALL and not messages
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 3_000_000


def test_a_session_that_must_stop_draws_the_summary_and_names_the_rest(tmp_path: Path) -> None:
    messages: list[str] = []
    draw(album(), tmp_path, must_leave=lambda: True, say=messages.append)
    assert names(tmp_path) == {SUMMARY_NAME}
    assert (
        len(messages) == 1 and "must stop" in messages[0] and all(name in messages[0] for name in ALL - {SUMMARY_NAME})
    )


def test_the_time_is_checked_before_each_figure(tmp_path: Path) -> None:
    draw(album(), tmp_path, must_leave=iter([False, True]).__next__, say=lambda text: None)
    assert names(tmp_path) == {SUMMARY_NAME, "fig_learning_curve.png"}


def test_without_both_controllers_no_crossing_is_drawn(tmp_path: Path) -> None:
    messages: list[str] = []
    draw(album(controllers={"rl": ConstantController(0)}), tmp_path, must_leave=lambda: False, say=messages.append)
    assert names(tmp_path) == {SUMMARY_NAME, "fig_learning_curve.png", "fig_delay_distributions.png"}
    assert len(messages) == 1 and "fixed_time" in messages[0]
