"""The verdict: one number outside its limits is enough, and a missing one makes the section invalid."""

from __future__ import annotations

import math

import pytest

from orchestrator.kernel.outcome import Verdict
from validation_ch7.section_7_3_analytical.checks.finding import Finding
from validation_ch7.section_7_3_analytical.tables import finding_rows, findings_csv, findings_latex
from validation_ch7.section_7_3_analytical.verdict import judge

GOOD = Finding(check="riemann", case="shock", quantity="error", value=0.5, high=1.0, unit="%")
ORDER = Finding(check="convergence", case="contact", quantity="order", value=0.98, low=0.9, high=1.1)
EXPECTED = ("riemann", "convergence")


def another(value: float) -> Finding:
    return Finding(check="convergence", case="wave", quantity="order", value=value, low=0.9, high=1.1)


def test_all_within_their_limits_is_supported() -> None:
    judgement = judge([GOOD, ORDER, another(0.97)], expected=EXPECTED, failures={})
    assert judgement.verdict is Verdict.SUPPORTED
    assert judgement.reasons == (
        "The solver meets all 3 limits of the card in 2 checks.",
        "riemann, 1 number: error up to 0.5 % (at most 1).",
        "convergence, 2 numbers: order 0.97 to 0.98 (within 0.9 to 1.1).",
    )


@pytest.mark.parametrize("value", [0.89, 1.11, 4.8, -1.0])
def test_one_outside_is_not_supported_and_named(value: float) -> None:
    judgement = judge([GOOD, ORDER, another(value)], expected=EXPECTED, failures={})
    assert judgement.verdict is Verdict.NOT_SUPPORTED
    assert judgement.reasons[0].startswith("The solver misses 1 of 3 limits")
    assert "convergence, wave: order" in judgement.reasons[1] and "within 0.9 to 1.1" in judgement.reasons[1]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_invalid(value: float) -> None:
    judgement = judge([GOOD, ORDER, another(value)], expected=EXPECTED, failures={})
    assert judgement.verdict is Verdict.INVALID
    assert judgement.reasons == ("convergence, wave: order is not a finite number.",)


def test_a_check_that_did_not_run_or_measured_nothing_is_invalid() -> None:
    failed = judge([GOOD], expected=EXPECTED, failures={"convergence": "ValueError: no"})
    silent = judge([GOOD], expected=EXPECTED, failures={})
    assert failed.verdict is silent.verdict is Verdict.INVALID
    assert failed.reasons == ("The check convergence did not run: ValueError: no.",)
    assert silent.reasons == ("The check convergence measured nothing.",)


def test_a_limit_of_zero_allows_zero_alone() -> None:
    same = Finding(check="agreement", case="roads", quantity="difference", value=0.0, high=0.0)
    assert same.passes
    assert not Finding(check="agreement", case="roads", quantity="difference", value=1e-300, high=0.0).passes


def test_the_tables_have_every_number_and_mark_what_misses() -> None:
    found = [GOOD, ORDER, another(4.8), another(math.nan)]
    judgement = judge(found, expected=EXPECTED, failures={})
    rows = finding_rows(found)
    assert [row["passes"] for row in rows] == [True, True, False, False] and rows[3]["value"] is None
    table = findings_csv(found, {"nonce": "n1"}).splitlines()
    assert len(table) == 5 and all(line.endswith("n1") for line in table[1:])
    latex = findings_latex(found, judgement=judgement, stamp={"nonce": "n1"})
    assert r"\textbf{$4.8$}" in latex and r"$0.5$\,\%" in latex and "Invalid: do not use" in latex
    assert latex.count("{") == latex.count("}")
