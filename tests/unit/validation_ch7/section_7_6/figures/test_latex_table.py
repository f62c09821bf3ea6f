"""The LaTeX table has the numbers of the CSV and a valid structure, and marks an invalid comparison."""

import re

import numpy as np
from made_results import STAMP, TRAINING, results, spoilt

from orchestrator.kernel.outcome import Verdict
from validation_ch7.figures.latex import latex_text
from validation_ch7.section_7_6_rl_performance.evaluation.evaluation import EvaluationResult
from validation_ch7.section_7_6_rl_performance.figures.latex_table import comparison_latex
from validation_ch7.section_7_6_rl_performance.verdict.statistics import Bootstrap
from validation_ch7.section_7_6_rl_performance.verdict.tables import comparison_rows
from validation_ch7.section_7_6_rl_performance.verdict.verdict import judge
from validation_ch7.traffic.env.settings import EnvironmentSettings

BOOTSTRAP = Bootstrap(n_scenarios=60, seed=0, n_resamples=200)
CRITERIA = {"baseline": "fixed_time", "min_delay_reduction_pct": 10.0, "min_trainings": 10}


def table(compared: dict[str, EvaluationResult]) -> tuple[str, Verdict]:
    judgement = judge(
        compared, criteria=CRITERIA, training=TRAINING, settings=EnvironmentSettings(), bootstrap=BOOTSTRAP
    )
    rows = comparison_rows(compared, baseline="fixed_time", bootstrap=BOOTSTRAP)
    return comparison_latex(rows, baseline="fixed_time", judgement=judgement, stamp=STAMP), judgement.verdict


def body(text: str) -> list[list[str]]:
    inside = text[text.index(r"\midrule") : text.index(r"\bottomrule")]
    return [
        [cell.strip() for cell in line.removesuffix(r"\\").split("&")] for line in inside.splitlines() if "&" in line
    ]


def test_the_rows_have_the_numbers_of_the_results() -> None:
    compared = results()
    text, _ = table(compared)
    rows = body(text)
    assert [row[0] for row in rows[:2]] == ["learned policy", "fixed time (tuned)"] and len(rows) == 11
    assert rows[0][1] == f"${compared['rl'].delay_s_per_veh.mean():.1f}$" and rows[0][7:] == ["$0.70$", "$98.0$"]
    less = 100.0 * (1.0 - compared["rl"].delay_s_per_veh.mean() / compared["fixed_time"].delay_s_per_veh.mean())
    assert rows[0][4] == f"${less:.1f}$" and rows[1][4:7] == ["--", "--", "--"]
    assert rows[2][4].startswith("$") and rows[-1][4].startswith("$-")


def test_the_table_has_a_valid_latex_structure() -> None:
    text, _ = table(results())
    code = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    opened, closed = re.findall(r"\\begin{(\w+)}", code), re.findall(r"\\end{(\w+)}", code)
    assert opened == closed[::-1] == ["table", "tabular"]
    columns = re.search(r"\\begin{tabular}{(\w+)}", code)
    assert columns is not None
    assert all(len(row) == len(columns.group(1)) for row in body(text))
    assert code.count("{") == code.count("}") and code.count("$") % 2 == 0
    assert not re.search(r"(?<!\\)[%_#]", code) and code.isascii()
    rules = [code.index(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")]
    assert rules == sorted(rules)


def test_the_stamp_is_a_comment() -> None:
    first = table(results())[0].splitlines()[0]
    assert first.startswith("% stamp:") and all(f"{name}={value}" in first for name, value in STAMP.items())


def test_an_invalid_comparison_is_marked_in_the_printed_table() -> None:
    text, verdict = table(spoilt(results(), "rl", delay_s_per_veh=np.full(60, np.nan)))
    printed = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    assert verdict is Verdict.INVALID and r"\textbf{Invalid comparison" in printed
    assert "nan" not in printed.lower() and body(text)[0][1] == "--"
    assert "Invalid" not in table(results())[0]


def test_the_table_says_where_actuated_control_stands_and_which_criterion_is_missed() -> None:
    tail = {"max_delay_ratio": 0.5, "min_better_pct": 95.0}
    compared = results()
    judgement = judge(
        compared, criteria={**CRITERIA, **tail}, training=TRAINING, settings=EnvironmentSettings(), bootstrap=BOOTSTRAP
    )
    rows = comparison_rows(compared, baseline="fixed_time", bootstrap=BOOTSTRAP)
    text = comparison_latex(rows, baseline="fixed_time", judgement=judgement, stamp=STAMP)
    notes = [line for line in text.splitlines() if r"\multicolumn{9}{p{" in line]
    assert len(notes) == 3 and judgement.verdict is Verdict.NOT_SUPPORTED
    assert r"\% more delay than the tuned actuated controller." in notes[0]
    assert r"max\_delay\_ratio is missed: " in notes[1] and "exceeded by 0." in notes[1]
    assert r"min\_better\_pct is met: " in notes[2]
    assert text.index(notes[2]) < text.index(r"\bottomrule") and text.count("{") == text.count("}")


def test_special_characters_are_escaped() -> None:
    assert latex_text("a_b 5 % & {x} ~^\\$#") == (
        r"a\_b 5 \% \& \{x\} \textasciitilde{}\textasciicircum{}\textbackslash{}\$\#"
    )
