"""Every row has its stamp, every number is finite or absent, and the table agrees with the verdict."""

import csv
import io
import json
import math
from typing import Any

import pytest
from made_results import STAMP, TRAINING, result, results, spoilt, with_value

from orchestrator.kernel.outcome import Verdict
from validation_ch7.section_7_6_rl_performance.evaluation.evaluation import EvaluationResult
from validation_ch7.section_7_6_rl_performance.verdict.statistics import Bootstrap
from validation_ch7.section_7_6_rl_performance.verdict.tables import (
    comparison_csv,
    comparison_json,
    comparison_rows,
    scenarios_csv,
)
from validation_ch7.section_7_6_rl_performance.verdict.verdict import judge
from validation_ch7.traffic.env.settings import EnvironmentSettings

CRITERIA = {"baseline": "fixed_time", "min_delay_reduction_pct": 10.0, "min_trainings": 10}
BOOTSTRAP = Bootstrap(n_scenarios=60, seed=0, n_resamples=1000)


def rows_of(found: dict[str, EvaluationResult]) -> list[dict[str, Any]]:
    return comparison_rows(found, baseline="fixed_time", bootstrap=BOOTSTRAP)


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def report_of(found: dict[str, EvaluationResult], **training: Any) -> dict[str, Any]:
    judgement = judge(
        found, criteria=CRITERIA, training={**TRAINING, **training}, settings=EnvironmentSettings(), bootstrap=BOOTSTRAP
    )
    return comparison_json(rows_of(found), judgement=judgement, criteria=CRITERIA, stamp=STAMP)


def test_a_row_has_the_means_of_its_scenarios() -> None:
    found = results()
    row = next(row for row in rows_of(found) if row["controller"] == "rl")
    hours = found["rl"]
    assert row["n_scenarios"] == 60 and row["split"] == "test" and row["first_scenario"] == 0
    assert row["delay_s_per_veh"] == hours.delay_s_per_veh.mean()
    assert row["delay_s_per_veh_ci95_low"] < row["delay_s_per_veh"] < row["delay_s_per_veh_ci95_high"]
    assert row["delay_max_s_per_veh"] == hours.delay_s_per_veh.max()
    for measure in ("throughput", "mean_speed_m_s", "mean_queue_veh", "reward_sum", "n_switches"):
        assert row[measure] == getattr(hours, measure).mean(), measure
    assert row["share_asked_ns"] == pytest.approx(300 / 360)
    assert row["probability_of_improvement"] == 1.0


def test_the_baseline_is_not_compared_with_itself() -> None:
    row = next(row for row in rows_of(results()) if row["controller"] == "fixed_time")
    assert row["delay_reduction_pct"] is None and row["probability_of_improvement"] is None
    assert row["delay_s_per_veh"] is not None


def test_table_and_verdict_have_the_same_reduction() -> None:
    report = report_of(results())
    row = report["controllers"]["rl"]
    assert report["verdict"] == "supported" and report["stamp"] == STAMP and report["criteria"] == CRITERIA
    assert report["delay_reduction_pct"] == {
        "value": row["delay_reduction_pct"],
        "ci95_low": row["delay_reduction_pct_ci95_low"],
        "ci95_high": row["delay_reduction_pct_ci95_high"],
    }
    assert row["delay_reduction_pct"] > 25.0
    assert report["controllers"]["constant_ns"]["delay_reduction_pct"] < -1000.0


def test_the_table_has_the_tail_and_actuated_control_of_every_controller() -> None:
    found, rows = results(), {row["controller"]: row for row in rows_of(results())}
    own, of_baseline = (found[name].delay_s_per_veh for name in ("rl", "fixed_time"))
    assert rows["rl"]["delay_ratio_max"] == (own / of_baseline).max()
    assert rows["rl"]["hardest_reduction_pct_ci95_low"] < 30.0 < rows["rl"]["hardest_reduction_pct_ci95_high"]
    assert rows["rl"]["worst_approach_reduction_pct"] == pytest.approx(30.0, abs=1.0)
    assert rows["rl"]["delay_reduction_against_actuated_pct"] == pytest.approx(-5.0, abs=1.0)
    assert rows["rl"]["longest_forced_s"] == 60.0 and rows["constant_ns"]["longest_forced_s"] == 3000.0
    assert rows["fixed_time"]["delay_ratio_max"] is None and rows["fixed_time"]["hardest_reduction_pct"] is None
    assert rows["actuated"]["delay_reduction_against_actuated_pct"] is None
    report = report_of(found)
    assert report["against_actuated_pct"]["value"] == rows["rl"]["delay_reduction_against_actuated_pct"]
    assert report["criteria_of_the_tail"] == []


def test_a_worst_approach_that_is_not_a_number_leaves_the_tail_empty() -> None:
    sound = results()
    bad = spoilt(sound, "rl", worst_approach_s_per_veh=with_value(sound["rl"].worst_approach_s_per_veh, math.nan))
    row = json.loads(json.dumps(report_of(bad), allow_nan=False))["controllers"]["rl"]
    assert row["delay_ratio_max"] is None and row["worst_approach_reduction_pct"] is None
    assert row["delay_reduction_pct"] > 25.0


def test_every_row_of_every_table_has_the_stamp() -> None:
    found = results()
    stamp = {**STAMP, "checkpoint_digest": None}
    for rows in (read(comparison_csv(rows_of(found), stamp)), read(scenarios_csv(found, stamp))):
        for row in rows:
            assert {name: row[name] for name in STAMP} == {name: str(value) for name, value in STAMP.items()}
            assert row["checkpoint_digest"] == ""


def test_the_scenario_table_has_every_value_exactly() -> None:
    found = results()
    rows = read(scenarios_csv(found, STAMP))
    assert len(rows) == 11 * 60
    delays = [float(row["delay_s_per_veh"]) for row in rows if row["controller"] == "fixed_time"]
    assert delays == found["fixed_time"].delay_s_per_veh.tolist()  # bit for bit
    assert [int(row["scenario"]) for row in rows[:60]] == list(range(60))
    assert (rows[0]["n_switches"], rows[0]["asked_ns"], rows[0]["asked_ew"]) == ("120", "300", "60")


def test_a_nan_becomes_null_and_the_file_stays_valid_json() -> None:
    sound = results()
    bad = spoilt(sound, "rl", delay_s_per_veh=with_value(sound["rl"].delay_s_per_veh, math.nan))
    report = report_of(bad)
    assert report["verdict"] == Verdict.INVALID.value and report["delay_reduction_pct"]["value"] is None
    row = json.loads(json.dumps(report, allow_nan=False))["controllers"]["rl"]
    for name in ("delay_s_per_veh", "delay_s_per_veh_ci95_low", "delay_iqm_s_per_veh", "delay_max_s_per_veh"):
        assert row[name] is None
    assert row["delay_reduction_pct"] is None and row["probability_of_improvement"] is None
    spoilt_rows = [row for row in read(scenarios_csv(bad, STAMP)) if row["delay_s_per_veh"] == ""]
    assert [row["scenario"] for row in spoilt_rows] == ["5"]


def test_unpaired_results_are_not_compared() -> None:
    found = {**results(), "random": result("random", 37.0, n=40)}
    random = next(row for row in rows_of(found) if row["controller"] == "random")
    assert random["delay_reduction_pct"] is None and random["n_scenarios"] == 40
    alone = comparison_rows({"rl": found["rl"]}, baseline="fixed_time", bootstrap=BOOTSTRAP)
    assert alone[0]["delay_reduction_pct"] is None and alone[0]["delay_s_per_veh"] is not None
    with_other_scenarios = comparison_rows(
        spoilt(found, "rl", first_index=7), baseline="fixed_time", bootstrap=BOOTSTRAP
    )
    assert with_other_scenarios[0]["delay_reduction_pct"] is None


def test_a_table_without_results_is_empty() -> None:
    assert comparison_csv([], STAMP) == "" and scenarios_csv({}, STAMP) == ""


def test_line_ends_are_the_same_on_every_system() -> None:
    assert "\r" not in comparison_csv(rows_of(results()), STAMP)
