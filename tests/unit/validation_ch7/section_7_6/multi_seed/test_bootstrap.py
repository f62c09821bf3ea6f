"""The numbers of a pool, each checked against its definition in plain loops."""

from functools import cache

import numpy as np
import pytest

from orchestrator.kernel.outcome import Verdict
from validation_ch7.section_7_6_rl_performance.controllers.families import CLASSICAL
from validation_ch7.section_7_6_rl_performance.multi_seed.bootstrap import (
    PoolBootstrap,
    pooled_improvement,
    pooled_improvement_between,
    pooled_iqm,
    pooled_mean,
    pooled_reduction_between_pct,
    pooled_reduction_pct,
    reach_in_deviations,
    widened_level,
)
from validation_ch7.section_7_6_rl_performance.multi_seed.claims import Pool, pool_experiment
from validation_ch7.section_7_6_rl_performance.multi_seed.grouping import Experiment, experiments_of
from validation_ch7.section_7_6_rl_performance.multi_seed.interval_figure import interval_figure
from validation_ch7.section_7_6_rl_performance.multi_seed.load import PoolRefused, Training
from validation_ch7.section_7_6_rl_performance.multi_seed.power import trainings_needed
from validation_ch7.section_7_6_rl_performance.multi_seed.report import more_needed, pool_json, pool_markdown
from validation_ch7.section_7_6_rl_performance.multi_seed.write import pools_markdown
from validation_ch7.traffic.model.arz import Floats

CRITERIA = {"baseline": "fixed_time", "min_delay_reduction_pct": 10.0, "min_trainings": 10}
DRAWN = np.random.default_rng(3)
VALUES = DRAWN.gamma(4.0, 5.0, (9, 20))
BASELINE = DRAWN.gamma(4.0, 7.0, 20)
BOOTSTRAP = PoolBootstrap(seed=0, n_resamples=300)


def picks() -> list[tuple[Floats, Floats]]:
    """Indices of the trainings and of the scenarios in each resample."""
    seen: list[tuple[Floats, Floats]] = []

    def record(trainings: Floats, scenarios: Floats) -> float:
        seen.append((trainings, scenarios))
        return 0.0

    BOOTSTRAP.estimate(record, VALUES.shape)
    resampled = seen[-300:]  # the calls for the value itself come first
    assert all(len(trainings) == 9 and len(scenarios) == 20 for trainings, scenarios in resampled)
    assert len({tuple(scenarios) for _, scenarios in resampled}) == 300
    return resampled


def quantiles(values: list[float], n_trainings: int = 9) -> list[float]:
    outside = (1.0 - widened_level(n_trainings)) / 2
    return [float(np.quantile(values, level)) for level in (outside, 1.0 - outside)]


def test_the_level_is_widened_for_few_trainings() -> None:
    """Hesterberg (2015), table 4: one-sided 0.0086 at ten, 0.0010 at five observations, 0.025 at very many."""
    assert widened_level(10) == pytest.approx(1 - 2 * 0.0086, abs=2e-4)
    assert widened_level(5) == pytest.approx(1 - 2 * 0.0010, abs=2e-4)
    assert widened_level(10**6) == pytest.approx(0.95, abs=1e-5)


def test_intervals_of_ten_trainings_have_their_nominal_coverage() -> None:
    """For the spread of trainings alone; plain percentile intervals cover the truth in only 0.90 of the cases."""
    generator, covered, plain = np.random.default_rng(5), 0, 0
    for _ in range(400):
        means = generator.normal(0.0, 1.0, 10)
        resampled = means[generator.integers(10, size=(1000, 10))].mean(axis=1)
        low, high = quantiles(resampled.tolist(), 10)
        covered += low <= 0.0 <= high
        low, high = np.quantile(resampled, (0.025, 0.975))
        plain += low <= 0.0 <= high
    assert 0.93 <= covered / 400 <= 0.97 and plain / 400 < 0.925


def test_mean_reduction_and_improvement_equal_those_of_the_resampled_pairs() -> None:
    means, reductions, improvements = [], [], []
    for seeds, scenarios in picks():
        block = np.array([[VALUES[seed][scenario] for scenario in scenarios] for seed in seeds])
        means.append(block.mean())
        reductions.append(100.0 * (1.0 - block.mean() / BASELINE[scenarios].mean()))
        improvements.append((block < BASELINE[scenarios]).mean())
    for estimate, value, resampled in (
        (pooled_mean(VALUES, BOOTSTRAP), VALUES.mean(), means),
        (
            pooled_reduction_pct(VALUES, BASELINE, BOOTSTRAP),
            100.0 * (1.0 - VALUES.mean() / BASELINE.mean()),
            reductions,
        ),
        (pooled_improvement(VALUES, BASELINE, BOOTSTRAP), (VALUES < BASELINE).mean(), improvements),
    ):
        assert estimate.value == pytest.approx(value)
        assert [estimate.low, estimate.high] == pytest.approx(quantiles(resampled))


def test_the_interquartile_mean_omits_a_quarter_at_each_end() -> None:
    middle = [np.sort(VALUES[np.ix_(seeds, scenarios)], axis=None)[45:135].mean() for seeds, scenarios in picks()]
    found = pooled_iqm(VALUES, BOOTSTRAP)
    assert found.value == pytest.approx(np.sort(VALUES, axis=None)[45:135].mean())
    assert [found.low, found.high] == pytest.approx(quantiles(middle))


def test_two_groups_are_resampled_separately_on_the_same_scenarios() -> None:
    others = VALUES[:8] + 1.0
    seen: list[tuple[Floats, ...]] = []

    def record(*places: Floats) -> float:
        seen.append(places)
        return 0.0

    BOOTSTRAP.estimate(record, (9, 8, 20))
    reductions, shares = [], []
    for mine, theirs, hours in seen[-300:]:
        block, other = VALUES[np.ix_(mine, hours)], others[np.ix_(theirs, hours)]
        reductions.append(100.0 * (1.0 - block.mean() / other.mean()))
        pairs = [np.mean((a < b) + 0.5 * (a == b)) for a in block for b in other]
        shares.append(float(np.mean(pairs)))
    found = pooled_reduction_between_pct(VALUES, others, BOOTSTRAP)
    assert found.value == pytest.approx(100.0 * (1.0 - VALUES.mean() / others.mean()))
    assert [found.low, found.high] == pytest.approx(quantiles(reductions, 8))
    probability = pooled_improvement_between(VALUES, others, BOOTSTRAP)
    assert [probability.low, probability.high] == pytest.approx(quantiles(shares, 8))
    assert pooled_improvement_between(VALUES, VALUES, BOOTSTRAP).value == pytest.approx(0.5)


def test_few_trainings_give_students_interval_with_a_quantile_for_each_spread() -> None:
    few = VALUES[:3]
    of_trainings, of_hours = few.mean(axis=1), few.mean(axis=0)
    shares = (  # Student's quantiles at 2 and 19 degrees of freedom
        4.3027 * of_trainings.std(ddof=1) / np.sqrt(3),
        2.0930 * of_hours.std(ddof=1) / np.sqrt(20),
    )
    found = pooled_mean(few, PoolBootstrap(seed=0, n_resamples=4000))
    assert found.value == pytest.approx(few.mean())
    assert (
        found.high - few.mean() == pytest.approx(few.mean() - found.low) == pytest.approx(np.hypot(*shares), rel=0.03)
    )
    everywhere = pooled_improvement(few[:2], BASELINE, BOOTSTRAP)
    assert 0.0 <= everywhere.low <= everywhere.high <= 1.0


@pytest.mark.parametrize(("n_trainings", "of_trainings"), [(2, 0.3), (2, 3.0), (3, 1.0), (5, 1.0)])
def test_intervals_of_few_trainings_have_at_least_their_nominal_coverage(n_trainings: int, of_trainings: float) -> None:
    """With the closed-form variances, so that many cases are fast; the test above checks the resampled ones.

    Satterthwaite's degrees of freedom would be narrower: they cover the truth in 0.87 of the cases with two trainings.
    """
    generator, covered, widths = np.random.default_rng(0), [], []
    for _ in range(2000):
        hours, own = generator.normal(0.0, 5.0, 100), generator.normal(0.0, of_trainings, (n_trainings, 1))
        values = own + hours + generator.normal(0.0, 1.0, (n_trainings, 100))
        shares = [
            reach_in_deviations(size) * np.sqrt((size - 1) / size) * values.mean(axis=axis).std(ddof=1) / np.sqrt(size)
            for axis, size in ((1, n_trainings), (0, 100))
        ]
        covered.append(abs(values.mean()) <= np.hypot(*shares))
        widths.append(np.hypot(*shares))
    assert 0.94 <= np.mean(covered) <= 0.995
    if of_trainings < 1.0:  # 9.4 if both spreads used the quantile of the few trainings
        assert np.median(widths) < 2.5


@pytest.mark.parametrize("n_trainings", [2, 3])
def test_equal_controllers_are_rarely_found_different_with_few_trainings(n_trainings: int) -> None:
    """Percentile intervals would find a difference in 43 and 16 of 100 cases."""
    generator, bootstrap, apart = np.random.default_rng(1), PoolBootstrap(seed=0, n_resamples=200), 0
    for _ in range(60):
        hours = 50.0 + generator.normal(0.0, 3.0, 30)
        of_training = generator.normal(0.0, 3.0, (n_trainings, 1))
        found = pooled_reduction_pct(
            hours + of_training + generator.normal(0.0, 1.0, (n_trainings, 30)), hours, bootstrap
        )
        apart += found.low > 0.0 or found.high < 0.0
    assert apart <= 8


def test_a_single_training_shows_no_significant_difference_and_is_inconclusive() -> None:
    criteria = {**CRITERIA, "min_trainings": 1}
    (experiment,) = experiments_of([training("DQN", 0, criteria=criteria), training("PPO", 0, criteria=criteria)])
    found = pool_experiment(experiment, BOOTSTRAP)
    assert not found.versus["DQN", "PPO"].is_significant
    assert not any(beside.is_significant for claim in found.claims for beside in claim.beside.values())
    assert {claim.verdict for claim in found.claims} == {Verdict.INCONCLUSIVE}
    report = pool_markdown(found)
    assert "With a single training (DQN, PPO) the interval is over scenarios only" in report
    assert "| one training |" in report and "a single training shows no spread" in report


def test_the_needed_trainings_equal_the_published_values() -> None:
    """Cohen (1988): power 0.8 at 5 % needs 64 per group for an effect of 0.5 standard deviations, and 26 for 0.8."""
    spread = np.array([-1.0, 1.0]) / np.sqrt(2.0)  # standard deviation 1
    for effect, expected in ((0.5, 64), (0.8, 26)):
        found = trainings_needed(spread, spread + effect)
        assert found is not None and abs(found - expected) <= 0.08 * expected
    alone = trainings_needed(spread, 0.5)  # one-sample: 34
    assert alone is not None and abs(alone - 34) <= 3
    assert trainings_needed(spread, spread + 1e-3) is None and trainings_needed(spread, 0.0) is None
    assert trainings_needed(np.ones(3), np.full(3, 2.0)) == 2 and trainings_needed(np.ones(3), 1.0) is None
    with pytest.raises(ValueError, match="a single training"):
        trainings_needed(spread[:1], spread)


def test_a_single_training_is_in_every_resample() -> None:
    alone = pooled_mean(VALUES[:1], BOOTSTRAP)
    assert alone.value == pytest.approx(VALUES[0].mean()) and alone.low < alone.value < alone.high


def test_a_tie_is_half_an_improvement() -> None:
    assert pooled_improvement(np.tile(BASELINE, (3, 1)), BASELINE, BOOTSTRAP).value == 0.5


def test_one_bad_training_widens_the_interval_as_a_whole_training() -> None:
    """A bootstrap that resamples seeds within each scenario misses that a bad seed is bad in all scenarios."""
    good = np.full((5, 200), 20.0) + np.random.default_rng(0).normal(0, 0.1, (5, 200))
    good[0] += 10.0
    found = pooled_mean(good, PoolBootstrap(seed=1))
    assert found.value == pytest.approx(22.0, abs=0.1) and found.high - found.low > 5.0
    generator = np.random.default_rng(2)
    within_each = [np.take_along_axis(good, generator.integers(5, size=good.shape), axis=0).mean() for _ in range(300)]
    assert np.ptp(quantiles(within_each)) < 0.25 * (found.high - found.low)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (5, 1)])
def test_too_few_trainings_or_scenarios_are_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="cannot draw"):
        pooled_mean(np.ones(shape), BOOTSTRAP)


def test_a_baseline_without_delay_is_refused() -> None:
    with pytest.raises(ValueError, match="above zero"):
        pooled_reduction_pct(VALUES, np.zeros(20), BOOTSTRAP)


RECIPE = ("target_steps", "hyper_parameters", "decision_s")


def training(algorithm: str, seed: int, *, share: float = 0.7, **changes: object) -> Training:
    delays_s: dict[str, Floats] = {name: BASELINE * (1.0 - 0.05 * place) for place, name in enumerate(CLASSICAL)}
    own = np.random.default_rng(seed).uniform(0.98, 1.02, 20)
    terms: dict[str, object] = {
        "environment": {"dx_m": 10.0},
        "criteria": CRITERIA,
        "evaluation_scenarios": 20,
        "tuning_scenarios": 20,
        "bundle_digest": "b" * 64,
    }
    recipe: dict[str, object] = {
        "algorithm": algorithm,
        "target_steps": 1000,
        "hyper_parameters": {"gamma": 0.97, "of": algorithm},
        "decision_s": 10.0,
    }
    for name, value in changes.items():
        (recipe if name in RECIPE else terms)[name] = value
    all_delays_s = {"rl": BASELINE * share * own, **delays_s}
    return Training(
        variant=algorithm,
        algorithm=algorithm,
        seed=seed,
        lineage_id=f"{algorithm}{seed}",
        run_id=f"run-{algorithm}-{seed}",
        ended_at="2026-01-01",
        terms=terms,
        recipe=recipe,
        delays_s=all_delays_s,
        also={
            "worst_approach_s_per_veh": {name: 2.0 * values_s for name, values_s in all_delays_s.items()},
            "stops_per_veh": {name: values_s / 40.0 for name, values_s in all_delays_s.items()},
            "throughput": {name: np.full(20, 0.98) for name in all_delays_s},
        },
        wall_s={},
    )


@cache
def pool(n_seeds: int = 10, share: float = 0.7) -> Pool:
    trainings = [training(name, seed, share=share) for name in ("DQN", "PPO") for seed in range(n_seeds)]
    (experiment,) = experiments_of(trainings)
    return pool_experiment(experiment, BOOTSTRAP)


@pytest.mark.parametrize(
    ("n_seeds", "share", "verdict"),
    [
        (10, 0.7, Verdict.SUPPORTED),
        (9, 0.7, Verdict.INCONCLUSIVE),
        (10, 0.9, Verdict.INCONCLUSIVE),
        (10, 0.97, Verdict.NOT_SUPPORTED),
    ],
)
def test_a_claim_needs_ten_trainings_and_the_whole_interval(n_seeds: int, share: float, verdict: Verdict) -> None:
    found = pool(n_seeds, share)
    assert [claim.label for claim in found.claims] == ["DQN", "PPO"]
    assert {claim.verdict for claim in found.claims} == {verdict}
    assert found.claims[0].seeds == tuple(range(n_seeds)) and found.n_scenarios == 20
    assert ("too few" in found.claims[0].reason) is (n_seeds < 10)


def test_the_report_lists_all_controllers_sorted_by_delay() -> None:
    found = pool()
    report = pool_markdown(found)
    rows = [line for line in report.partition("\n\nDelay up to")[0].splitlines() if "[" in line and line[0] == "|"]
    means = [float(row.split("|")[3].split("[")[0]) for row in rows]
    assert len(rows) == 2 + len(CLASSICAL) and means == sorted(means)
    assert "* DQN: **supported**" in report and "| **PPO** | 30.0" in report.replace("29.9", "30.0").replace(
        "30.1", "30.0"
    )
    plain = pool_json(found)
    assert len(plain["trainings"]) == 20 and plain["versus"][0]["beside"] == "PPO"
    assert "| PPO | 9 |" in report and "DQN and PPO: " in report
    assert plain["variants"]["PPO"]["beside"]["actuated"]["reduction_pct"]["value"] > 0.0
    assert plain["terms"]["bundle_digest"] == "b" * 64 and set(plain["others"]) >= {"actuated", "fixed_time"}


def test_only_the_better_variant_differs_significantly() -> None:
    found = pool_experiment(
        experiments_of(
            [
                training(name, seed, share=0.6 if name == "best" else 0.7)
                for name in ("best", "a", "b")
                for seed in range(4)
            ]
        )[0]
    )
    assert found.versus["best", "a"].is_significant and not found.versus["a", "b"].is_significant
    assert found.versus["best", "a"].reduction_pct.value == pytest.approx(14.3, abs=1.0)
    assert found.versus["best", "a"].improvement.value == 1.0
    assert "With fewer than 8 trainings (best, a, b) the interval is Student's" in pool_markdown(found)
    equal_pair = found.versus["a", "b"]
    assert equal_pair.by_seed_pct == () and "would separate them" in more_needed(equal_pair, 4)
    assert more_needed(equal_pair, 2000).startswith("2000 trainings separate") or equal_pair.trainings_needed is None
    of_seeds = found.claims[0].beside["fixed_time"].by_seed_pct
    assert len(of_seeds) == 4 and all(one.low < one.value < one.high for one in of_seeds)


@pytest.mark.parametrize(
    "change",
    [
        {"bundle_digest": "c" * 64},
        {"environment": {"dx_m": 5.0}},
        {"evaluation_scenarios": 10},
        {"tuning_scenarios": 100},
        {"criteria": {"baseline": "webster", "min_delay_reduction_pct": 10.0, "min_trainings": 10}},
    ],
)
def test_trainings_under_other_terms_are_another_experiment(change: dict[str, object]) -> None:
    first, second = experiments_of([training("DQN", 0), training("DQN", 1, **change), training("PPO", 0)])
    assert [variant.label for variant in first.variants] == ["DQN", "PPO"]
    assert [variant.label for variant in second.variants] == ["DQN"] and len(second.variants[0].trainings) == 1


@pytest.mark.parametrize("change", [{"target_steps": 10}, {"hyper_parameters": {"gamma": 0.9}}, {"decision_s": 5.0}])
def test_another_recipe_is_another_variant_of_one_experiment(change: dict[str, object]) -> None:
    (experiment,) = experiments_of([training("DQN", 0), training("DQN", 0, **change), training("DQN", 1)])
    one, other = experiment.variants
    assert len(one.trainings) == 2 and len(other.trainings) == 1
    (key,) = change
    plain = isinstance(change[key], int | float)
    assert one.label != other.label and {one.label[:5], other.label[:5]} == {"DQN ("}
    assert (other.label == f"DQN ({key} {change[key]})") is plain


def first_training_with(experiment: Experiment, rate_s: float) -> Training:
    (found,) = (v.trainings[0] for v in experiment.variants if v.trainings[0].recipe["decision_s"] == rate_s)
    return found


def test_random_and_constant_controllers_may_differ_between_decision_intervals() -> None:
    """Constant and random controllers use the policy's decision interval; the classical ones decide every second."""
    frequent = training("DQN", 0, decision_s=5.0)
    frequent.delays_s["random"] = BASELINE * 2.0  # type: ignore[index]  # a dictionary in this test
    usual = training("DQN", 0)
    usual.delays_s["random"] = BASELINE * 3.0  # type: ignore[index]  # a dictionary in this test
    assert len(experiments_of([usual, frequent])[0].variants) == 2
    (experiment,) = experiments_of([usual, frequent])
    assert set(experiment.others) >= {"actuated", "random every 5 s", "random every 10 s"}
    assert experiment.others["random every 5 s"] == (first_training_with(experiment, 5.0), "random")
    assert experiment.others["random every 10 s"] == (first_training_with(experiment, 10.0), "random")
    third = training("DQN", 1, decision_s=5.0)
    third.delays_s["random"] = BASELINE * 2.5  # type: ignore[index]  # a dictionary in this test
    with pytest.raises(PoolRefused, match=r"DQN seed 1 .* and DQN seed 0 .* have different results for random"):
        experiments_of([usual, frequent, third])
    frequent.delays_s["actuated"] += 1e-9  # type: ignore[index]  # a dictionary in this test
    with pytest.raises(PoolRefused, match="have different results for actuated"):
        experiments_of([usual, frequent])


def test_a_report_states_why_two_experiments_are_not_compared() -> None:
    trainings = [training("DQN", 0), training("PPO", 0, tuning_scenarios=100)]
    pools = [pool_experiment(experiment, BOOTSTRAP) for experiment in experiments_of(trainings)]
    report = pools_markdown(pools)
    assert report.count("## Experiment") == 2
    assert "Not comparable with the first: tuning_scenarios is 100 instead of 20." in report


def test_a_repeated_seed_is_refused() -> None:
    with pytest.raises(PoolRefused, match=r"DQN has a seed more than once: \[0, 0\]"):
        experiments_of([training("DQN", 0), training("DQN", 0)])


def test_a_baseline_with_other_values_is_refused() -> None:
    """The stale baseline of the past (C5): one session has other values for the baseline."""
    stale = training("DQN", 1)
    stale.delays_s["fixed_time"] += 1e-9  # type: ignore[index]  # a dictionary in this test
    with pytest.raises(PoolRefused, match=r"DQN seed 1 .* and DQN seed 0 .* have different results for fixed_time"):
        experiments_of([training("DQN", 0), stale])
    with pytest.raises(PoolRefused, match="no finished training"):
        experiments_of([])


def test_the_legend_covers_no_interval() -> None:
    figure = interval_figure(pool(), stamp="stamp")
    figure.draw_without_rendering()
    panel, legend = figure.axes[1], figure.axes[1].get_legend()
    assert legend is not None and len(legend.get_texts()) == 2
    box = legend.get_window_extent()
    assert not box.overlaps(panel.get_window_extent()) and not box.overlaps(panel._left_title.get_window_extent())
    assert figure.bbox.containsx(box.x1) and figure.bbox.containsy(box.y1)
