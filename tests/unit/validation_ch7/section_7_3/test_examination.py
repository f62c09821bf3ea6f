"""The project's solver passes; the figures, tables and summary come from the same numbers."""

from __future__ import annotations

import dataclasses
import math
import time
from pathlib import Path

import pytest
from made_setting import kernel_setting

from orchestrator.kernel.outcome import Verdict
from validation_ch7.section_7_3_analytical.checks import convergence, riemann
from validation_ch7.section_7_3_analytical.examination import EXPECTED, Examination, LeftExamination, examine
from validation_ch7.section_7_3_analytical.figures.all_figures import Album, draw
from validation_ch7.section_7_3_analytical.road.problem import RoadProblem, RoadState
from validation_ch7.section_7_3_analytical.verdict import judge
from validation_ch7.section_7_3_analytical.write_results import summary_of


@pytest.fixture(scope="module")
def examination() -> Examination:
    return examine(kernel_setting(), monotonic=time.monotonic)


def test_the_solver_is_supported(examination: Examination) -> None:
    judgement = judge(examination.findings, expected=EXPECTED, failures=examination.failures)
    assert (judgement.verdict, examination.failures) == (Verdict.SUPPORTED, {}), judgement.reasons
    names = [(one.check, one.case, one.quantity) for one in examination.findings]
    assert len(set(names)) == len(names) >= 80
    assert {one.check for one in examination.findings} == set(EXPECTED)


def test_the_numbers_are_measured_and_not_the_limits(examination: Examination) -> None:
    """Errors fall from grid to grid, and no two solutions have the same order."""
    errors = examination.results[riemann.CHECK].errors
    not_single = [row for row, name in enumerate(riemann.CASES) if name not in riemann.SINGLE_SHOCKS]
    assert (errors[1024] < errors[256])[not_single].all()
    orders = [one.value for one in examination.findings if one.check == convergence.CHECK]
    assert len(set(orders)) == 3 and all(order != 1.0 for order in orders)
    again = convergence.findings(convergence.run(kernel_setting()), kernel_setting())
    assert [one.value for one in again] == orders


def test_the_summary_has_the_worst_number_of_each_check(examination: Examination) -> None:
    summary = summary_of(examination)
    assert summary["limits"] == summary["limits_met"] == len(examination.findings)
    orders = [one.value for one in examination.findings if one.check == "riemann" and one.quantity == "order"]
    assert summary["riemann"]["order"] == min(orders)
    delays = [one.value for one in examination.findings if one.quantity.startswith("error of the delay")]
    assert summary["signal"]["error_of_the_delay"] == max(delays)


def test_every_figure_is_drawn(examination: Examination, tmp_path: Path) -> None:
    album = Album(examination=examination, verdict=Verdict.SUPPORTED, stamp="run r nonce n")
    draw(album, tmp_path, must_leave=lambda: False, say=print)
    pictures = sorted(path.name for path in tmp_path.iterdir())
    assert pictures == ["fig_convergence.png", "fig_equilibrium.png", "fig_riemann.png", "fig_signal.png"]
    said: list[str] = []
    draw(album, tmp_path / "none", must_leave=lambda: True, say=said.append)
    assert "fig_riemann.png" in said[0] and not (tmp_path / "none").exists()


def test_a_solver_that_fails_is_invalid_and_the_other_checks_still_run() -> None:
    def fails(problem: RoadProblem) -> RoadState:
        raise FloatingPointError("the solver gave up")

    done = examine(dataclasses.replace(kernel_setting(), solver=fails), monotonic=time.monotonic)
    judgement = judge(done.findings, expected=EXPECTED, failures=done.failures)
    assert judgement.verdict is Verdict.INVALID
    assert judgement.reasons[0] == "The check riemann did not run: FloatingPointError: the solver gave up."
    assert {one.check for one in done.findings} == {"signal"}


def test_a_session_that_must_stop_leaves_before_the_next_check() -> None:
    with pytest.raises(LeftExamination):
        examine(kernel_setting(), monotonic=time.monotonic, must_leave=lambda: True)


@pytest.mark.parametrize("order", [0.5, 1.0, 4.8])
def test_the_order_of_errors_that_fall_by_a_power_is_the_power(order: float) -> None:
    cells = (64, 128, 256, 512)
    assert riemann.order_of(cells, [3.0 * one**-order for one in cells]) == pytest.approx(order)
    assert math.isnan(riemann.order_of(cells, [0.1, 0.0, 0.1, 0.1]))
    assert math.isnan(riemann.order_of(cells, [0.1, math.nan, 0.1, 0.1]))
