"""The criteria of the tail: what each measures, what it makes of the verdict, and cards without them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from made_results import TRAINING, results, spoilt, with_value

from orchestrator.kernel.outcome import Verdict
from orchestrator.kernel.schema import read
from validation_ch7.section_7_6_rl_performance.evaluation.evaluation import EvaluationResult
from validation_ch7.section_7_6_rl_performance.multi_seed.bootstrap import PoolBootstrap
from validation_ch7.section_7_6_rl_performance.multi_seed.tail import pooled_tail
from validation_ch7.section_7_6_rl_performance.schema import Criteria
from validation_ch7.section_7_6_rl_performance.verdict.findings import Finding, joined, tail_findings
from validation_ch7.section_7_6_rl_performance.verdict.statistics import Bootstrap
from validation_ch7.section_7_6_rl_performance.verdict.tail import number_of_hardest, tail_of
from validation_ch7.section_7_6_rl_performance.verdict.verdict import Judgement, judge
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.model.arz import Floats

CRITERIA: dict[str, Any] = {"baseline": "fixed_time", "min_delay_reduction_pct": 10.0, "min_trainings": 10}
TAIL = {
    "max_delay_ratio": 1.5,
    "min_hardest_reduction_pct": 0.0,
    "min_worst_approach_reduction_pct": 0.0,
    "min_better_pct": 95.0,
}
Results = dict[str, EvaluationResult]


def judged(found: Results, n: int = 60, **criteria: Any) -> Judgement:
    return judge(
        found,
        criteria={**CRITERIA, **criteria},
        training=TRAINING,
        settings=EnvironmentSettings(),
        bootstrap=Bootstrap(n_scenarios=n, seed=0, n_resamples=500),
    )


def one_bad_hour() -> Results:
    """Scenario 5 has three times the baseline's delay; the mean hardly shows it."""
    sound = results()
    return spoilt(
        sound,
        "rl",
        delay_s_per_veh=with_value(sound["rl"].delay_s_per_veh, 3.0 * sound["fixed_time"].delay_s_per_veh[5]),
    )


def bad_hard_hours() -> Results:
    """In the 18 scenarios that are hardest for the baseline it has 1.3 times the baseline's delay."""
    sound = results(rl=12.0)
    own, of_baseline = (sound[name].delay_s_per_veh for name in ("rl", "fixed_time"))
    hard = np.argsort(of_baseline)[-18:]
    worse = own.copy()
    worse[hard] = 1.3 * of_baseline[hard]
    return spoilt(sound, "rl", delay_s_per_veh=worse)


def bad_approach() -> Results:
    sound = results()
    return spoilt(sound, "rl", worst_approach_s_per_veh=1.2 * sound["fixed_time"].worst_approach_s_per_veh)


def often_worse() -> Results:
    """A little worse in 12 of 60 scenarios, much better in the others."""
    sound = results(rl=15.0)
    worse = sound["rl"].delay_s_per_veh.copy()
    worse[::5] = 1.05 * sound["fixed_time"].delay_s_per_veh[::5]
    return spoilt(sound, "rl", delay_s_per_veh=worse)


BAD = {
    "max_delay_ratio": one_bad_hour,
    "min_hardest_reduction_pct": bad_hard_hours,
    "min_worst_approach_reduction_pct": bad_approach,
    "min_better_pct": often_worse,
}


def test_a_sound_policy_meets_all_criteria_of_the_tail() -> None:
    judgement = judged(results(), **TAIL)
    assert judgement.verdict is Verdict.SUPPORTED
    assert [(one.criterion, one.verdict) for one in judgement.findings] == [(name, Verdict.SUPPORTED) for name in TAIL]
    assert all(any(f"{name} is met: " in reason for reason in judgement.reasons) for name in TAIL)
    assert all(one.to_json()["missed_by"] == 0.0 for one in judgement.findings)
    assert "for its tail" not in " ".join(judgement.reasons)


@pytest.mark.parametrize("criterion", BAD)
def test_a_missed_criterion_refutes_a_claim_whose_mean_holds(criterion: str) -> None:
    found = BAD[criterion]()
    assert judged(found).verdict is Verdict.SUPPORTED  # the mean alone
    alone = judged(found, **{criterion: TAIL[criterion]})
    assert alone.verdict is Verdict.NOT_SUPPORTED and alone.reduction_pct is not None
    (finding,) = alone.findings
    assert finding.criterion == criterion and finding.verdict is Verdict.NOT_SUPPORTED
    assert finding.to_json()["missed_by"] > 0.0
    assert "the whole 95 % interval reaches it" in alone.reasons[1]
    assert alone.reasons[2] == f"The claim is not supported for its tail: {criterion} is missed."
    assert alone.reasons[3] == f"{finding.text}." and f"{criterion} is missed: " in finding.text
    whole = judged(found, **TAIL)
    assert whole.verdict is Verdict.NOT_SUPPORTED and criterion in whole.reasons[2]


def test_the_sentence_of_the_largest_ratio_names_the_scenario_and_by_how_much_it_is_exceeded() -> None:
    (finding,) = judged(one_bad_hour(), max_delay_ratio=1.5).findings
    assert "the largest ratio is 3.00, in scenario 5, where rl delays by " in finding.text
    assert finding.text.endswith("(allowed: 1.5; exceeded by 1.50, in 1 of 60 scenarios)")
    assert judged(one_bad_hour(), max_delay_ratio=3.1).verdict is Verdict.SUPPORTED
    later = {name: one for name, one in one_bad_hour().items()}
    for name in later:
        later = spoilt(later, name, first_index=100)
    (finding,) = judged(later, max_delay_ratio=1.5).findings
    assert "in scenario 105, " in finding.text


def test_an_open_criterion_leaves_the_claim_open() -> None:
    found = bad_approach()
    interval = judged(found, min_worst_approach_reduction_pct=0.0).findings[0].measured
    for limit, verdict in (
        (interval.low, Verdict.SUPPORTED),
        (interval.value, Verdict.INCONCLUSIVE),
        (interval.high + 0.01, Verdict.NOT_SUPPORTED),
    ):
        judgement = judged(found, min_worst_approach_reduction_pct=limit)
        assert judgement.verdict is verdict and judgement.findings[0].verdict is verdict
    assert "is open" in " ".join(judged(found, min_worst_approach_reduction_pct=interval.value).reasons)


def test_a_missed_mean_stays_missed_and_too_few_scenarios_judge_nothing() -> None:
    assert judged(results(rl=33.0), **TAIL).verdict is Verdict.NOT_SUPPORTED
    few = {name: one for name, one in results(n=9).items()}
    bad = spoilt(few, "rl", delay_s_per_veh=with_value(few["rl"].delay_s_per_veh, 300.0))
    assert judged(bad, n=9, **TAIL).verdict is Verdict.INCONCLUSIVE


def finding(verdict: Verdict) -> Finding:
    made = judged(results(), max_delay_ratio=1.5).findings[0]
    return Finding(criterion="a", required=1.0, measured=made.measured, verdict=verdict, text="")


@pytest.mark.parametrize("mean", [Verdict.SUPPORTED, Verdict.INCONCLUSIVE, Verdict.NOT_SUPPORTED])
def test_a_criterion_of_the_tail_never_improves_a_verdict(mean: Verdict) -> None:
    order = [Verdict.SUPPORTED, Verdict.INCONCLUSIVE, Verdict.NOT_SUPPORTED]
    assert joined(mean, ()) is mean
    for verdict in order:
        expected = order[max(order.index(mean), order.index(verdict))]
        assert joined(mean, (finding(Verdict.SUPPORTED), finding(verdict))) is expected


def test_a_card_without_these_keys_is_judged_as_before() -> None:
    """Whatever the tail is: the same verdict, the same sentences, no findings."""
    for made in BAD.values():
        judgement = judged(made())
        assert judgement.verdict is Verdict.SUPPORTED and judgement.findings == () and len(judgement.reasons) == 4
        assert not any(name in reason for name in TAIL for reason in judgement.reasons)


@pytest.mark.parametrize(
    ("n", "pct", "hardest"),
    [(400, None, 20), (400, 10.0, 40), (100, None, 10), (60, None, 10), (7, None, 7), (401, 5.0, 21)],
)
def test_the_number_of_hardest_scenarios(n: int, pct: float | None, hardest: int) -> None:
    assert number_of_hardest(n, pct) == hardest


def drawn(n: int = 80, trainings: int = 10) -> tuple[Floats, Floats]:
    generator = np.random.default_rng(5)
    baseline = generator.uniform(10.0, 60.0, n)
    return baseline * generator.uniform(0.7, 1.02, (trainings, n)), baseline


def test_the_measures_are_those_of_a_plain_computation() -> None:
    values, baseline = drawn()
    tail = tail_of(
        values[0],
        baseline,
        worst_s=values[1],
        worst_of_baseline_s=baseline,
        hardest_pct=25.0,
        bootstrap=Bootstrap(n_scenarios=80, seed=0, n_resamples=300),
    )
    hard = np.argsort(baseline)[-20:]
    assert tail.hardest_reduction_pct.value == pytest.approx(
        100.0 * (1.0 - values[0][hard].mean() / baseline[hard].mean())
    )
    assert tail.worst_approach_reduction_pct.value == pytest.approx(100.0 * (1.0 - values[1].mean() / baseline.mean()))
    assert tail.better_pct.value == pytest.approx(100.0 * (values[0] < baseline).mean())
    assert tail.largest_ratio == (values[0] / baseline).max() and tail.n_hardest == 20
    for one in (tail.hardest_reduction_pct, tail.worst_approach_reduction_pct, tail.better_pct):
        assert one.low < one.value < one.high


def test_one_training_pooled_has_the_values_of_the_training_alone() -> None:
    values, baseline = drawn()
    settings: dict[str, Any] = {"worst_of_baseline_s": baseline, "hardest_pct": None}
    alone = tail_of(
        values[0], baseline, worst_s=values[1], bootstrap=Bootstrap(n_scenarios=80, seed=0, n_resamples=300), **settings
    )
    pooled = pooled_tail(
        values[:1], baseline, worst_s=values[1:2], bootstrap=PoolBootstrap(seed=0, n_resamples=300), **settings
    )
    for name in ("hardest_reduction_pct", "worst_approach_reduction_pct", "better_pct"):
        assert getattr(pooled, name).value == pytest.approx(getattr(alone, name).value)
        assert getattr(pooled, name).low == pytest.approx(getattr(alone, name).low, abs=1.5)
    assert (pooled.largest_ratio, pooled.largest_at) == (alone.largest_ratio, alone.largest_at)


def test_one_bad_hour_of_one_training_of_ten_refutes_the_pooled_criterion() -> None:
    values, baseline = drawn()
    values[6, 30] = 10.0 * baseline[30]
    tail = pooled_tail(
        values,
        baseline,
        worst_s=values,
        worst_of_baseline_s=baseline,
        hardest_pct=None,
        bootstrap=PoolBootstrap(seed=0, n_resamples=200),
    )
    criterion = read(Criteria, {**CRITERIA, **TAIL}, place="criteria")
    found = {one.criterion: one for one in tail_findings(tail, criterion, who="PPO", seeds=range(20, 30))}
    ratio = found["max_delay_ratio"]
    assert ratio.verdict is Verdict.NOT_SUPPORTED and "in scenario 30 of seed 26, where PPO" in ratio.text
    assert "exceeded by 8.50, in 1 of 10 x 80 scenarios" in ratio.text
    assert tail.hardest_reduction_pct.low < tail.hardest_reduction_pct.value < tail.hardest_reduction_pct.high
