"""The verdict: whole intervals against the limits of the card, and everything that makes the numbers invalid."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from made_study import hours

from orchestrator.kernel.outcome import Verdict
from validation_ch7.section_7_7_robustness.conditions.all_conditions import FAMILIES
from validation_ch7.section_7_7_robustness.conditions.family import Condition
from validation_ch7.section_7_7_robustness.estimates import POLICIES, rows_of
from validation_ch7.section_7_7_robustness.evaluation.study import Setting, Study
from validation_ch7.section_7_7_robustness.schema import Criteria
from validation_ch7.section_7_7_robustness.tables import hours_csv, plain_rows, rows_csv, rows_latex
from validation_ch7.section_7_7_robustness.verdict import judge

NOISE = FAMILIES["detector_noise"]
CONDITIONS = (Condition(), Condition(family=NOISE, severity=0.1), Condition(family=NOISE, severity=0.8))
CRITERIA = Criteria(max_ratio={"nominal": 1.05, "detector_noise": 1.1}, max_hour_ratio=3.0)
BASE = np.linspace(15.0, 25.0, 40)


def study_of(*ratios: tuple[float, float, float], spread: float = 0.0) -> Study:
    """Policies with these ratios to actuated control under the three conditions, the same in each hour but a spread."""
    policies = [SimpleNamespace(name=f"rl {number}", digest=f"{number}" * 64) for number in range(len(ratios))]
    setting: Any = Setting(
        environment={},
        conditions=CONDITIONS,
        controllers=("actuated",),
        policies=tuple(policies),  # type: ignore[arg-type]  # only names and digests are read
        n_hours=len(BASE),
        tuning_scenarios=1,
    )
    noise = spread * np.random.default_rng(0).standard_normal(len(BASE))
    study = Study(setting=setting)
    for place, condition in enumerate(CONDITIONS):
        found = {"actuated": hours(BASE)}
        for policy, ratio in zip(policies, ratios, strict=True):
            found[policy.name] = hours(BASE * (ratio[place] + noise))
        study.results[condition] = found
    return study


def verdict_of(study: Study, criteria: Criteria = CRITERIA) -> tuple[Verdict, str]:
    judgement = judge(study, rows_of(study), criteria)
    return judgement.verdict, "\n".join(judgement.reasons)


def test_ratios_within_all_limits_are_supported() -> None:
    verdict, text = verdict_of(study_of((0.98, 0.99, 1.05)))
    assert verdict is Verdict.SUPPORTED
    assert "3 of 3 criteria are met" in text and "judges the policy 00000000" in text
    assert "detector_noise meets the limit 1.1: the largest ratio to actuated is 1.05" in text


@pytest.mark.parametrize(("ratios", "named"), [((1.2, 1.0, 1.0), "nominal misses"), ((1.0, 1.0, 1.2), "severity 0.8")])
def test_one_condition_above_its_limit_is_not_supported(ratios: tuple[float, float, float], named: str) -> None:
    verdict, text = verdict_of(study_of(ratios))
    assert verdict is Verdict.NOT_SUPPORTED and named in text


def test_an_interval_around_its_limit_is_inconclusive() -> None:
    verdict, text = verdict_of(study_of((1.0, 1.0, 1.1), spread=0.2))
    assert verdict is Verdict.INCONCLUSIVE and "detector_noise has an interval around the limit" in text


def test_a_miss_outweighs_an_open_question() -> None:
    assert verdict_of(study_of((1.3, 1.0, 1.1), spread=0.2))[0] is Verdict.NOT_SUPPORTED


def test_a_single_hour_beyond_its_limit_is_not_supported_and_named() -> None:
    study = study_of((1.0, 1.0, 1.0))
    slow = BASE.copy()
    slow[7] *= 3.5
    study.results[CONDITIONS[1]]["rl 0"] = hours(slow)
    verdict, text = verdict_of(study)
    assert verdict is Verdict.NOT_SUPPORTED and "in one hour is 3.50, under detector_noise 0.1" in text


def test_without_a_policy_it_is_inconclusive_and_says_what_to_do() -> None:
    verdict, text = verdict_of(study_of())
    assert verdict is Verdict.INCONCLUSIVE
    assert "python -m orchestrator run section_7_6" in text
    assert "python -m validation_ch7.section_7_7_robustness.collect" in text


@pytest.mark.parametrize("fault", ["nan", "arrivals", "zero", "repeat"])
def test_numbers_that_cannot_be_are_invalid(fault: str) -> None:
    study = study_of((1.0, 1.0, 1.0))
    found = study.results[CONDITIONS[0]]
    if fault == "repeat":
        study.repeat_faults.append("actuated is not reproducible.")
    elif fault == "arrivals":
        found["rl 0"] = dataclasses.replace(found["rl 0"], arrived_veh=found["rl 0"].arrived_veh + 1.0)
    else:
        found["rl 0"] = hours([float("nan") if fault == "nan" else 0.0, *BASE[1:]])
    assert verdict_of(study)[0] is Verdict.INVALID


def test_several_policies_are_pooled_over_trainings_and_hours() -> None:
    rows = [row for row in rows_of(study_of((1.0, 1.0, 1.0), (1.2, 1.2, 1.2))) if row.controller == POLICIES]
    assert [row.n_policies for row in rows] == [2, 2, 2]
    ratio = rows[0].ratio
    assert ratio is not None and ratio.value == pytest.approx(1.1) and ratio.low < 1.0 < 1.2 < ratio.high


def test_rows_know_the_hardest_hours_and_the_share_of_better_ones() -> None:
    study = study_of((1.0, 1.0, 1.0))
    study.results[CONDITIONS[0]]["rl 0"] = hours([*(0.9 * BASE[:-2]), *(2.0 * BASE[-2:])])
    row = next(row for row in rows_of(study) if row.controller == "rl 0")
    assert (row.hardest_ratio, row.better, row.largest_hour_ratio) == pytest.approx((2.0, 38 / 40, 2.0))
    baseline = next(row for row in rows_of(study) if row.controller == "actuated")
    assert baseline.ratio is None and baseline.better is None


def test_tables_have_every_condition_and_controller_and_the_stamp() -> None:
    study = study_of((1.0, 1.0, 1.0), (1.1, 1.1, 1.1))
    rows = rows_of(study)
    assert len(plain_rows(rows)) == 3 * 4
    assert rows_csv(rows, {"nonce": "n1"}).count("n1") == 3 * 4
    assert len(hours_csv(study, "n1").splitlines()) == 1 + 3 * 3 * len(BASE)
    latex = rows_latex(rows, judgement=judge(study, rows, CRITERIA), stamp={"nonce": "n1"})
    assert "nonce=n1" in latex and latex.count("learned policy") == 3 and "rl 0" not in latex
    assert r"\begin{longtable}" in latex and latex.count(r"\midrule") == 3


def test_a_single_policy_is_one_row_of_the_latex_table() -> None:
    study = study_of((1.0, 1.0, 1.0))
    rows = rows_of(study)
    latex = rows_latex(rows, judgement=judge(study, rows, CRITERIA), stamp={})
    assert latex.count("learned policy") == 3 and latex.count("actuated &") == 3
