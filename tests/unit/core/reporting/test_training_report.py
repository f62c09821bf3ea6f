"""Statistics, tables and picture of the general report: they follow the numbers that a section reports."""

from __future__ import annotations

import csv
import io
import random
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from orchestrator.core.reporting.curve_picture import curves_svg
from orchestrator.core.reporting.seed_statistics import estimate, interquartile_mean, mean, statistics_of
from orchestrator.core.reporting.training import Training, variant_labels
from orchestrator.core.reporting.training_tables import (
    as_csv,
    as_latex,
    curve_rows,
    latex_text,
    statistic_rows,
    text_lines,
    training_rows,
)
from orchestrator.kernel.reporting.trial_report import CurvePoint, StitchedCurve


def uniform(seed: int) -> Callable[[], float]:
    return random.Random(seed).random


def training(seed: int, numbers: Mapping[str, float], *scores: float, variant: str = "PPO") -> Training:
    points = tuple(
        CurvePoint(steps=10 * (place + 1), score=score, measures={}, session=f"s{place // 2}")
        for place, score in enumerate(scores)
    )
    seams = tuple(range(20, 10 * len(scores), 20))
    return Training(
        variant=variant,
        profile="quick",
        seed=seed,
        lineage_id="a" * 64,
        result="no claim",
        steps=40,
        session="s1",
        sessions=2,
        resume_grade="exact",
        wall_s=1.0,
        code_digest="c" * 64,
        question="",
        numbers=numbers,
        curve=StitchedCurve(points=points, seams=seams, wasted_steps=0, measured_twice=0, measured_otherwise=0),
    )


@pytest.mark.parametrize(
    ("values", "wanted"),
    [([3.0], 3.0), ([1.0, 3.0], 2.0), ([0.0, 1.0, 3.0, 100.0], 2.0), ([9.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 99.0], 3.5)],
)
def test_the_interquartile_mean_leaves_out_a_quarter_at_each_end(values: list[float], wanted: float) -> None:
    assert interquartile_mean(values) == wanted


def test_the_interval_covers_the_mean_as_often_as_it_says() -> None:
    draw = random.Random(7)
    hits = 0
    for place in range(100):
        values = [draw.gauss(5.0, 2.0) for _ in range(20)]
        found = estimate(mean, values, uniform(place))
        assert found.low is not None and found.high is not None and found.low < found.value < found.high
        hits += found.low <= 5.0 <= found.high
    assert 86 <= hits <= 99


def test_the_mean_of_the_largest_numbers_is_one_of_them_and_not_an_overflow() -> None:
    most = sys.float_info.max
    assert (mean([most, most]), mean([-most, -most, -most]), mean([most, -most])) == (most, -most, 0.0)
    assert interquartile_mean([most] * 5) == most


def test_one_seed_has_no_interval_and_equal_seeds_have_one_of_no_width() -> None:
    assert estimate(mean, [4.0], uniform(0)).low is None
    found = estimate(mean, [4.0, 4.0, 4.0], uniform(0))
    assert (found.low, found.value, found.high) == (4.0, 4.0, 4.0)


def test_trainings_to_another_target_are_not_averaged() -> None:
    long, short = (replace(training(seed, {"reward": float(seed)}), target_steps=seed) for seed in (53_248, 20_480))
    found = statistics_of([long, short, replace(short, seed=3)], uniform)
    assert [(one.metric, one.target_steps, one.n) for one in found if one.metric == "reward"] == [
        ("reward", 53_248, 1),
        ("reward", 20_480, 2),
    ]
    assert [row["target_steps"] for row in statistic_rows(found)] == [53_248, 20_480]
    assert "PPO, target 20480 steps & quick" in as_latex("s", found, [])
    assert any("PPO, target 53248 steps (quick), reward: " in line for line in text_lines([long], found))
    assert ", target" not in as_latex("s", statistics_of([short], uniform), [])


def test_another_metric_or_variant_does_not_change_an_interval() -> None:
    few = [training(seed, {"reward": float(seed)}) for seed in range(5)]
    more = [
        *[training(seed, {"other": 1.0}, variant="A2C") for seed in range(3)],
        *[replace(one, numbers={**one.numbers, "a": 2.0}) for one in few],
    ]
    (alone,) = statistics_of(few, uniform)
    assert alone in statistics_of(more, uniform)


@pytest.mark.parametrize(
    "change", [{"variant": "DQN"}, {"profile": "full"}, {"code_digest": "d" * 64}, {"question": "q"}]
)
def test_trainings_of_another_kind_are_never_averaged(change: dict[str, str]) -> None:
    one = training(1, {"reward": 1.0})
    found = statistics_of([one, replace(one, seed=2, numbers={"reward": 3.0}, **change)], uniform)
    assert [(each.n, each.mean.value) for each in found] == [(1, 1.0), (1, 3.0)]


@pytest.mark.parametrize("result", ["unfinished", "invalid"])
def test_unfinished_and_invalid_trainings_do_not_count(result: str) -> None:
    assert statistics_of([replace(training(1, {"reward": 1.0}, 2.0), result=result)], uniform) == []


def test_columns_follow_what_the_trainings_report() -> None:
    rows = list(training_rows([training(0, {"return": 2.0}), training(1, {"length.mean": 3.0}, 1.0, 4.0, 2.0)]))
    first, second = csv.DictReader(io.StringIO(as_csv(rows)))
    assert (first["return"], first["length.mean"], first["curve.best_score"]) == ("2.0", "", "")
    assert (second["return"], second["length.mean"]) == ("", "3.0")
    assert (second["curve.last_score"], second["curve.best_score"], second["seams"]) == ("2.0", "4.0", "20")


def test_seams_are_marked_in_the_curve_and_in_the_picture() -> None:
    one = training(0, {}, 1.0, 2.0, 3.0, 4.0, 5.0)
    assert [row["seam"] for row in curve_rows([one])] == [0, 0, 1, 0, 1]
    picture = ElementTree.fromstring(curves_svg("a <title> & more", [one, replace(one, variant="x<y")]))
    assert len([path for path in picture.findall("{*}path") if path.get("stroke-dasharray")]) == 4
    assert [text.text for text in picture.findall("{*}text")][-2:] == ["PPO", "x<y"]


def test_a_picture_needs_evaluations_and_takes_a_flat_or_single_one() -> None:
    assert curves_svg("none", [training(0, {})]) == ""
    for scores in ((2.0,), (2.0, 2.0), (-1e300, 1e300), (1e17,), (-1e299, -1e299)):
        assert "nan" not in curves_svg("odd", [training(0, {}, *scores)])


def test_the_latex_table_escapes_every_special_character() -> None:
    assert latex_text(r"a_b%&#$^~\{}<") == (
        r"a\_b\%\&\#\$\textasciicircum{}\textasciitilde{}\textbackslash{}\{\}\textless{}"
    )
    text = as_latex("my_section", statistics_of([training(0, {"reward_mean": 1.5})], uniform), ["Made by: a test"])
    assert text.startswith("% Made by: a test\n") and r"PPO & quick & reward\_mean & 1 & 1.5 & 1.5 \\" in text


def test_labels_name_the_algorithm_and_what_differs_within_it() -> None:
    ppo = {"section": "s", "algorithm": "PPO", "network": [64], "hyper_parameters": {"gamma": 0.9, "n": 1}, "seed": 0}
    other = {**ppo, "hyper_parameters": {"gamma": 0.99, "n": 1}, "seed": 4}
    dqn = {**ppo, "algorithm": "DQN", "hyper_parameters": {"buffer": 5}}
    assert variant_labels("s", [ppo, {**ppo, "seed": 1}]) == ["PPO", "PPO"]
    assert variant_labels("s", [ppo, other, dqn]) == [
        "PPO, hyper_parameters.gamma=0.9",
        "PPO, hyper_parameters.gamma=0.99",
        "DQN",
    ]
    assert variant_labels("s", [{"seed": 1}, {"seed": 2}]) == ["s", "s"]
    assert variant_labels("s", [{"settings": {"env": "CartPole-v1"}}, {"settings": {"env": "Acrobot-v1"}}]) == [
        "s, settings.env=CartPole-v1",
        "s, settings.env=Acrobot-v1",
    ]
