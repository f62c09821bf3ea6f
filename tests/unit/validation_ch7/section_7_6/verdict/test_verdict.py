"""Every known mistake of the past, planted: each must make the comparison invalid and be named."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from made_results import MEAN_DELAY_S, TRAINING, result, results, spoilt, with_value

from orchestrator.kernel.outcome import Verdict
from orchestrator.kernel.schema import read
from validation_ch7.section_7_6_rl_performance.evaluation.evaluation import EvaluationResult
from validation_ch7.section_7_6_rl_performance.schema import Criteria
from validation_ch7.section_7_6_rl_performance.verdict.findings import change as in_words
from validation_ch7.section_7_6_rl_performance.verdict.statistics import Bootstrap, Estimate
from validation_ch7.section_7_6_rl_performance.verdict.verdict import (
    Judgement,
    _scope,
    _training_faults,
    judge,
)
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.model.demand import Split

CRITERIA = {"baseline": "fixed_time", "min_delay_reduction_pct": 10.0, "min_trainings": 10}

Results = dict[str, EvaluationResult]


def judged(
    found: Results, *, least_pct: float = 10.0, n: int = 60, reservations: Sequence[str] = (), **training: Any
) -> Judgement:
    return judge(
        found,
        criteria={**CRITERIA, "min_delay_reduction_pct": least_pct},
        training={**TRAINING, **training},
        settings=EnvironmentSettings(),
        bootstrap=Bootstrap(n_scenarios=n, seed=0, n_resamples=1000),
        reservations=reservations,
    )


def test_a_reservation_is_a_reason_beside_any_verdict_and_changes_none() -> None:
    for least_pct, verdict in ((10.0, Verdict.SUPPORTED), (60.0, Verdict.NOT_SUPPORTED)):
        plain, beside = (
            judged(results(), least_pct=least_pct),
            judged(results(), least_pct=least_pct, reservations=["Edge."]),
        )
        assert plain.verdict is beside.verdict is verdict
        assert set(beside.reasons) - set(plain.reasons) == {"Edge."}
    invalid = judged(results(), reservations=["Edge."], gradient_updates=0)
    assert invalid.verdict is Verdict.INVALID and invalid.reasons[-1] == "Edge."


def test_a_sound_comparison_is_supported_with_its_numbers() -> None:
    judgement = judged(results())
    assert judgement.verdict is Verdict.SUPPORTED
    assert judgement.reduction_pct is not None
    assert judgement.reduction_pct.value == pytest.approx(30.0, abs=1.0)
    words = " ".join(judgement.reasons)
    assert f"{judgement.reduction_pct.value:.2f}" in words and f"{judgement.reduction_pct.low:.2f}" in words
    assert "60 test scenarios" in words and "10.0 %" in words and "one trained policy" in words and "needs 10" in words


@pytest.mark.parametrize(
    ("least_pct", "verdict"),
    [(29.0, Verdict.SUPPORTED), (30.0, Verdict.INCONCLUSIVE), (31.0, Verdict.NOT_SUPPORTED)],
)
def test_the_verdict_depends_on_the_whole_interval(least_pct: float, verdict: Verdict) -> None:
    judgement = judged(results(), least_pct=least_pct)
    assert judgement.verdict is verdict
    assert (
        judgement.reduction_pct is not None
        and 29.0 < judgement.reduction_pct.low < 30.0 < judgement.reduction_pct.high < 31.0
    )


def test_the_best_other_controller_is_named_beside_a_weaker_baseline() -> None:
    words = " ".join(judged(results()).reasons)
    assert "The best of the other controllers is rollout with 19." in words
    assert re.search(r"s/veh: rl delays by [78]\.\d\d \[.*\] % more\.", words)
    words = " ".join(judged(results(rollout=21.0)).reasons)
    assert re.search(r"The best of the other controllers is actuated with 20\.\d\d \[\S+ \S+\] s/veh\.", words)
    assert "best of the other" not in " ".join(judged(results(fixed_time=19.0)).reasons)


@pytest.mark.parametrize(("rl", "words"), [(21.0, "% more"), (17.0, "% less")])
def test_the_first_sentence_compares_with_the_tuned_actuated_controller(rl: float, words: str) -> None:
    judgement = judged(results(rl=rl))
    found = judgement.against_actuated_pct
    assert found is not None and found.low < found.value < found.high and (found.value < 0.0) == (words == "% more")
    numbers = f"{abs(found.value):.2f} [{min(abs(found.low), abs(found.high)):.2f}, "
    assert judgement.reasons[0].count("tuned actuated controller") == 1
    assert judgement.reasons[0].partition(" % less, and ")[2].startswith(numbers)
    assert judgement.reasons[0].endswith(f"] {words} delay than the tuned actuated controller.")


def test_without_an_actuated_controller_or_with_it_as_the_baseline_it_is_not_repeated() -> None:
    without_it = judged({name: one for name, one in results().items() if name != "actuated"})
    assert without_it.against_actuated_pct is None and without_it.reasons[0].endswith("% less.")
    against_it = judge(
        results(rl=17.0),
        criteria={**CRITERIA, "baseline": "actuated"},
        training=TRAINING,
        settings=EnvironmentSettings(),
        bootstrap=Bootstrap(n_scenarios=60, seed=0, n_resamples=1000),
    )
    assert against_it.against_actuated_pct == against_it.reduction_pct
    assert against_it.reasons[0].endswith("% less.") and "tuned actuated" not in against_it.reasons[0]


def test_a_criterion_at_a_bound_of_the_interval() -> None:
    """A criterion equal to the lower bound is met; one equal to the upper bound is not yet failed."""
    interval = judged(results()).reduction_pct
    assert interval is not None
    assert judged(results(), least_pct=interval.low).verdict is Verdict.SUPPORTED
    assert judged(results(), least_pct=interval.high).verdict is Verdict.INCONCLUSIVE
    # The mean itself does not matter: on both sides of it the verdict is the same.
    assert judged(results(), least_pct=interval.value - 0.01).verdict is Verdict.INCONCLUSIVE
    assert judged(results(), least_pct=interval.value + 0.01).verdict is Verdict.INCONCLUSIVE


def test_a_policy_worse_than_the_baseline_is_not_supported_rather_than_invalid() -> None:
    judgement = judged(results(rl=33.0))
    assert judgement.verdict is Verdict.NOT_SUPPORTED
    assert judgement.reduction_pct is not None and judgement.reduction_pct.high < 0.0
    assert re.search(r": 10\.\d\d \[\S+ \S+\] % more, and 6\d\.", judgement.reasons[0])
    assert "-" not in judgement.reasons[0]


def test_fewer_than_ten_scenarios_are_inconclusive() -> None:
    judgement = judged(results(n=9), n=9)
    assert judgement.verdict is Verdict.INCONCLUSIVE and "9 scenarios are too few" in " ".join(judgement.reasons)
    assert judged(results(n=10), n=10).verdict is Verdict.SUPPORTED


TRAINING_MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"gradient_updates": 0}, "made 0 gradient updates"),
    ({"gradient_updates": None}, "does not state its number of gradient updates"),
    ({"gradient_updates": float("nan")}, "does not state its number of gradient updates"),
    ({"gradient_updates": True}, "does not state its number of gradient updates"),
    ({"policy_digest_after": TRAINING["policy_digest_before"]}, "same parameters before and after"),
    ({"policy_digest_before": None}, "does not state the policy digests"),
    ({"policy_digest_after": ""}, "does not state the policy digests"),
    ({"policy_digest_evaluated": TRAINING["policy_digest_before"]}, "is the untrained one"),
]


@pytest.mark.parametrize(("facts", "sentence"), TRAINING_MISTAKES)
def test_a_policy_that_was_not_trained_is_invalid(facts: dict[str, Any], sentence: str) -> None:
    assert_invalid(judged(results(), **facts), sentence)


def training_faults(**facts: Any) -> str:
    return " ".join(_training_faults({**TRAINING, **facts}))


def test_one_update_is_a_training_and_digests_may_sort_in_any_order() -> None:
    assert training_faults(gradient_updates=1) == "" and training_faults(gradient_updates=0.5) == ""
    assert "made -1 gradient updates" in training_faults(gradient_updates=-1)
    for before, after, evaluated in (("b", "a", "a"), ("b", "c", "a"), ("a", "b", "c"), ("b", "a", "c")):
        facts = {"policy_digest_before": before, "policy_digest_after": after, "policy_digest_evaluated": evaluated}
        assert training_faults(**facts) == ""


def test_a_digest_is_shown_with_its_first_twelve_digits() -> None:
    before = "0123456789abcdef"
    for name in ("policy_digest_after", "policy_digest_evaluated"):
        assert "(digest 0123456789ab)" in training_faults(policy_digest_before=before, **{name: before})


@pytest.mark.parametrize(("trainings", "needs"), [(1, ""), (2, "needs 2"), (10, "needs 10")])
def test_a_claim_about_the_algorithm_needs_the_trainings_of_the_card(trainings: int, needs: str) -> None:
    scope = _scope(Criteria(baseline="fixed_time", min_delay_reduction_pct=10.0, min_trainings=trainings))
    assert scope.endswith(f"{needs}.") and ("a claim about the algorithm" in scope) is bool(needs)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "0.00 [-2.00, 2.00] % less"),
        (0.5, "0.50 [-1.50, 2.50] % less"),
        (-0.5, "0.50 [-1.50, 2.50] % more"),
        (-1.5, "1.50 [-0.50, 3.50] % more"),
    ],
)
def test_a_reduction_below_zero_is_said_as_more(value: float, words: str) -> None:
    assert in_words(Estimate(value=value, low=value - 2.0, high=value + 2.0)) == words


def measure(name: str, measure_name: str, value: float) -> Callable[[Results], Results]:
    def change(valid: Results) -> Results:
        return spoilt(valid, name, **{measure_name: with_value(getattr(valid[name], measure_name), value)})

    return change


def without(name: str) -> Callable[[Results], Results]:
    return lambda valid: {key: value for key, value in valid.items() if key != name}


def copied(source: str, target: str, *measures: str) -> Callable[[Results], Results]:
    return lambda valid: spoilt(valid, target, **{key: getattr(valid[source], key) for key in measures})


def one_phase_only(valid: Results) -> Results:
    """A policy that always requests the second phase: it switches back after every forced change."""
    counts = np.tile(np.array([[0, 360]]), (60, 1))
    return spoilt(valid, "rl", action_counts=counts, n_switches=np.full(60, 31), n_forced_switches=np.full(60, 15))


MISTAKES: dict[str, tuple[Callable[[Results], Results], str]] = {
    "delay is not a number": (measure("rl", "delay_s_per_veh", np.nan), "delay_s_per_veh of rl is not a finite"),
    "delay is infinite": (measure("random", "delay_s_per_veh", np.inf), "delay_s_per_veh of random is not a finite"),
    "reward is not a number": (measure("rl", "reward_sum", np.nan), "reward_sum of rl is not a finite"),
    "delay below zero": (measure("rl", "delay_s_per_veh", -175.0), "delay_s_per_veh of rl is within [-175"),
    "delay beyond the hour": (measure("rl", "delay_s_per_veh", 3601.0), "delay_s_per_veh of rl is within"),
    "speed beyond free flow": (measure("fixed_time", "mean_speed_m_s", 13.9), "mean_speed_m_s of fixed_time is within"),
    "speed below zero": (measure("rl", "mean_speed_m_s", -0.1), "mean_speed_m_s of rl is within"),
    "more out than in": (measure("rl", "throughput", 1.002), "throughput of rl is within"),
    "throughput below zero": (measure("rl", "throughput", -0.01), "throughput of rl is within"),
    "queue below zero": (measure("rl", "mean_queue_veh", -1.0), "mean_queue_veh of rl is within"),
    "paid for delay": (measure("rl", "reward_sum", 0.5), "reward_sum of rl is within"),
    "switches below zero": (measure("rl", "n_switches", -1), "n_switches of rl is within"),
    "both constants alike": (
        copied("constant_ns", "constant_ew", "delay_s_per_veh"),
        "constant_ns and constant_ew have bitwise identical delay_s_per_veh",
    ),
    "policy like the baseline": (
        copied("fixed_time", "rl", "delay_s_per_veh", "mean_queue_veh", "mean_speed_m_s"),
        "rl and fixed_time have bitwise identical delay_s_per_veh, mean_queue_veh, mean_speed_m_s",
    ),
    "policy like a constant": (
        copied("constant_ew", "rl", "delay_s_per_veh", "mean_queue_veh", "mean_speed_m_s"),
        "rl and constant_ew have bitwise identical",
    ),
    "same queues": (copied("random", "rl", "mean_queue_veh"), "bitwise identical mean_queue_veh"),
    "only forced switches": (
        lambda valid: spoilt(valid, "rl", n_forced_switches=valid["rl"].n_switches),
        "never changed the phase itself",
    ),
    "only one phase": (one_phase_only, "requested only one phase"),
    "frozen in one hour": (
        measure("rl", "longest_forced_s", 600.0),
        "frozen in 1 of 60 scenarios: it asks for one",
    ),
    "waited beyond the hour": (measure("rl", "longest_forced_s", 3601.0), "longest_forced_s of rl is within"),
    "random beats the baseline": (lambda _: results(random=29.0), "no more than fixed_time"),
    "a constant beats the baseline": (lambda _: results(constant_ew=15.0), "constant_ew delays by"),
    "no delay to reduce": (measure("fixed_time", "delay_s_per_veh", 0.0), "has no delay in some scenario"),
    "no policy": (without("rl"), "rl was not evaluated"),
    "no baseline": (without("fixed_time"), "fixed_time was not evaluated"),
    "no constant": (without("constant_ns"), "constant_ns was not evaluated"),
    "no other constant": (without("constant_ew"), "constant_ew was not evaluated"),
    "no random": (without("random"), "random was not evaluated"),
    "fewer scenarios": (
        lambda valid: {**valid, "fixed_time": result("fixed_time", 30.0, n=40)},
        "rl used scenarios 0 to 59 and fixed_time scenarios 0 to 39: they are not paired",
    ),
    "other scenarios": (
        lambda valid: spoilt(valid, "rl", first_index=60),
        "rl used scenarios 60 to 119 and fixed_time scenarios 0 to 59",
    ),
    "judged on tuning": (lambda valid: spoilt(valid, "rl", split=Split.TUNING), "evaluated on tuning scenarios"),
    "judged on training": (
        lambda valid: {name: replace(value, split=Split.TRAINING) for name, value in valid.items()},
        "evaluated on training scenarios",
    ),
    "an array cut short": (
        lambda valid: spoilt(valid, "rl", throughput=valid["rl"].throughput[:-1]),
        "measures of rl have different numbers",
    ),
    "another's result": (lambda valid: {**valid, "rl": valid["fixed_time"]}, "rl is that of fixed_time"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_invalid_and_named(mistake: str) -> None:
    change, sentence = MISTAKES[mistake]
    assert_invalid(judged(change(results())), sentence)


def assert_invalid(judgement: Judgement, sentence: str) -> None:
    assert judgement.verdict is Verdict.INVALID and judgement.reduction_pct is None
    assert any(sentence in reason for reason in judgement.reasons), judgement.reasons


def test_all_mistakes_are_reported_at_once() -> None:
    judgement = judged(measure("rl", "delay_s_per_veh", np.nan)(results()), gradient_updates=0)
    assert len(judgement.reasons) == 2 and judgement.verdict is Verdict.INVALID


def test_rounding_is_not_a_mistake() -> None:
    """A mean speed and a queue may exceed their limits by rounding errors of a long sum."""
    valid = results()
    at_the_limits = spoilt(
        valid,
        "rl",
        mean_speed_m_s=with_value(valid["rl"].mean_speed_m_s, 13.89 * (1 + 1e-12)),
        mean_queue_veh=with_value(valid["rl"].mean_queue_veh, -1e-12),
        throughput=with_value(valid["rl"].throughput, 1.0005),
    )
    assert judged(at_the_limits).verdict is Verdict.SUPPORTED


def test_additional_controllers_are_allowed() -> None:
    assert judged({**results(), "actuated": result("actuated", 21.5)}).verdict is Verdict.SUPPORTED


def test_any_controller_can_be_the_baseline() -> None:
    found = {**results(), "actuated": result("actuated", 21.5)}
    judgement = judge(
        found,
        criteria={"baseline": "actuated", "min_delay_reduction_pct": 10, "min_trainings": 10},
        training=TRAINING,
        settings=EnvironmentSettings(),
        bootstrap=Bootstrap(n_scenarios=60, seed=0, n_resamples=1000),
    )
    assert judgement.verdict is Verdict.NOT_SUPPORTED and "actuated" in judgement.reasons[0]


@pytest.mark.parametrize(
    "block",
    [
        {},
        {**CRITERIA, "min_flow_gain_pct": 1.0},
        {"baseline": "fixed_time"},
        {**CRITERIA, "baseline": "rl"},
        {**CRITERIA, "baseline": None},
        {**CRITERIA, "min_delay_reduction_pct": "10"},
        {**CRITERIA, "min_delay_reduction_pct": True},
        {**CRITERIA, "min_delay_reduction_pct": -1.0},
        {**CRITERIA, "min_delay_reduction_pct": 100.0},
        {**CRITERIA, "min_delay_reduction_pct": float("nan")},
        {**CRITERIA, "min_trainings": 0},
        {**CRITERIA, "min_trainings": 10.0},
        {**CRITERIA, "min_trainings": True},
    ],
)
def test_invalid_criteria_are_refused(block: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="criteria"):
        read(Criteria, block, place="criteria")


def test_the_invented_comparison_has_its_declared_means() -> None:
    """The tests above change one thing each, so the unchanged comparison must be valid."""
    means = {name: float(value.delay_s_per_veh.mean()) for name, value in results().items()}
    assert means == pytest.approx(MEAN_DELAY_S, rel=0.01)
