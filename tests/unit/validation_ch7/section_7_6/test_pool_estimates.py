"""The numbers of a pool, each beside its definition written out in loops."""

import numpy as np
import pytest

from kernel_templates.kernel_runtime.endings import Verdict
from validation_ch7.section_7_6_rl_performance.pool.claims import Pool, pool_trainings
from validation_ch7.section_7_6_rl_performance.pool.estimates import (
    PoolBootstrap,
    pooled_improvement,
    pooled_iqm,
    pooled_mean,
    pooled_reduction_pct,
)
from validation_ch7.section_7_6_rl_performance.pool.report import pool_json, pool_markdown
from validation_ch7.section_7_6_rl_performance.pool.trainings import PoolRefused, Training
from validation_ch7.traffic.arz import Floats

CRITERIA = {"baseline": "fixed_time", "min_delay_reduction_pct": 10.0, "min_trainings": 10}
DRAWN = np.random.default_rng(3)
VALUES = DRAWN.gamma(4.0, 5.0, (3, 20))
BASELINE = DRAWN.gamma(4.0, 7.0, 20)
BOOTSTRAP = PoolBootstrap(seed=0, n_resamples=300)


def picks() -> list[tuple[Floats, Floats]]:
    """The trainings and the scenarios of each resample, as a statistic sees them."""
    seen: list[tuple[Floats, Floats]] = []

    def note(trainings: Floats, scenarios: Floats) -> float:
        seen.append((trainings, scenarios))
        return 0.0

    BOOTSTRAP.estimate(note, VALUES.shape)
    resampled = seen[-301:-1]  # whatever is asked for the value itself comes last
    assert all(len(trainings) == 3 and len(scenarios) == 20 for trainings, scenarios in resampled)
    assert len({tuple(scenarios) for _, scenarios in resampled}) == 300
    return resampled


def quantiles(values: list[float]) -> list[float]:
    return [float(np.quantile(values, level)) for level in (0.025, 0.975)]


def test_mean_reduction_and_improvement_are_those_of_the_picked_pairs() -> None:
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


def test_the_interquartile_mean_leaves_out_a_quarter_at_either_end() -> None:
    middle = [np.sort(VALUES[np.ix_(seeds, scenarios)], axis=None)[15:45].mean() for seeds, scenarios in picks()]
    found = pooled_iqm(VALUES, BOOTSTRAP)
    assert found.value == pytest.approx(np.sort(VALUES, axis=None)[15:45].mean())
    assert [found.low, found.high] == pytest.approx(quantiles(middle))


def test_a_single_training_is_in_every_resample() -> None:
    alone = pooled_mean(VALUES[:1], BOOTSTRAP)
    assert alone.value == pytest.approx(VALUES[0].mean()) and alone.low < alone.value < alone.high


def test_a_tie_is_half_an_improvement() -> None:
    assert pooled_improvement(np.tile(BASELINE, (3, 1)), BASELINE, BOOTSTRAP).value == 0.5


def test_one_bad_training_widens_the_interval_as_one_and_not_as_many_mishaps() -> None:
    """What a bootstrap that resamples seeds within each scenario misses: the bad seed is bad everywhere."""
    good = np.full((5, 200), 20.0) + np.random.default_rng(0).normal(0, 0.1, (5, 200))
    good[0] += 10.0
    found = pooled_mean(good, PoolBootstrap(seed=1))
    assert found.value == pytest.approx(22.0, abs=0.1) and found.high - found.low > 5.0
    generator = np.random.default_rng(2)
    within_each = [np.take_along_axis(good, generator.integers(5, size=good.shape), axis=0).mean() for _ in range(300)]
    assert np.ptp(quantiles(within_each)) < 0.25 * (found.high - found.low)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (5, 1)])
def test_nothing_gives_no_resamples(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="cannot draw"):
        pooled_mean(np.ones(shape), BOOTSTRAP)


def test_a_baseline_without_delay_is_refused() -> None:
    with pytest.raises(ValueError, match="above zero"):
        pooled_reduction_pct(VALUES, np.zeros(20), BOOTSTRAP)


def training(algorithm: str, seed: int, *, share: float = 0.7, **changes: object) -> Training:
    others = ("fixed_time", "webster", "actuated", "max_pressure", "longest_queue")
    delays_s: dict[str, Floats] = {name: BASELINE * (1.0 - 0.05 * place) for place, name in enumerate(others)}
    own = np.random.default_rng(seed).uniform(0.98, 1.02, 20)
    terms: dict[str, object] = {
        "environment": {"dx_m": 10.0},
        "criteria": CRITERIA,
        "target_steps": 1000,
        "evaluation_scenarios": 20,
        "bundle_digest": "b" * 64,
        "hyper_parameters": {"gamma": 0.97, "of": algorithm},
    }
    everybody = {"rl": BASELINE * share * own, **delays_s}
    return Training(
        algorithm=algorithm,
        seed=seed,
        lineage_id=f"{algorithm}{seed}",
        run_id=f"run-{algorithm}-{seed}",
        ended_at="2026-01-01",
        terms={**terms, **changes},
        delays_s=everybody,
        also={
            "worst_approach_s_per_veh": {name: 2.0 * values_s for name, values_s in everybody.items()},
            "stops_per_veh": {name: values_s / 40.0 for name, values_s in everybody.items()},
            "throughput": {name: np.full(20, 0.98) for name in everybody},
        },
        wall_s={},
    )


def pool(n_seeds: int = 10, share: float = 0.7) -> Pool:
    return pool_trainings([training(name, seed, share=share) for name in ("DQN", "PPO") for seed in range(n_seeds)])


@pytest.mark.parametrize(
    ("n_seeds", "share", "verdict"),
    [
        (10, 0.7, Verdict.SUPPORTED),
        (9, 0.7, Verdict.INCONCLUSIVE),
        (10, 0.9, Verdict.INCONCLUSIVE),
        (10, 0.97, Verdict.NOT_SUPPORTED),
    ],
)
def test_ten_trainings_and_the_whole_interval_make_a_claim(n_seeds: int, share: float, verdict: Verdict) -> None:
    found = pool(n_seeds, share)
    assert [claim.algorithm for claim in found.claims] == ["DQN", "PPO"]
    assert {claim.verdict for claim in found.claims} == {verdict}
    assert found.claims[0].seeds == tuple(range(n_seeds)) and found.n_scenarios == 20
    assert ("too few" in found.claims[0].reason) is (n_seeds < 10)


def test_the_report_holds_everybody_sorted_by_delay() -> None:
    found = pool()
    told = pool_markdown(found)
    rows = [line for line in told.splitlines() if line.count("|") == 6 and "[" in line]
    means = [float(row.split("|")[3].split("[")[0]) for row in rows]
    assert len(rows) == 7 and means == sorted(means)
    assert "* DQN: **supported**" in told and "| **PPO** | 30.0" in told.replace("29.9", "30.0").replace("30.1", "30.0")
    plain = pool_json(found)
    assert plain["algorithms"]["PPO"]["beside"]["actuated"]["reduction_pct"]["value"] > 0.0
    assert plain["terms"]["bundle_digest"] == "b" * 64 and set(plain["others"]) >= {"actuated", "fixed_time"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"bundle_digest": "c" * 64}, "another bundle_digest"),
        ({"environment": {"dx_m": 5.0}}, "another environment"),
        ({"target_steps": 10}, "another target_steps"),
        (
            {"criteria": {"baseline": "webster", "min_delay_reduction_pct": 10.0, "min_trainings": 10}},
            "another criteria",
        ),
        ({"hyper_parameters": {"gamma": 0.9}}, "another hyper_parameters"),
    ],
)
def test_trainings_of_two_experiments_are_not_pooled(change: dict[str, object], told: str) -> None:
    trainings = [training("DQN", 0), training("PPO", 0), training("DQN", 1, **change)]
    with pytest.raises(PoolRefused, match=told):
        pool_trainings(trainings)


def test_a_baseline_that_was_measured_otherwise_is_found() -> None:
    """The stale baseline of the past (C5): one of the sessions took its reference from elsewhere."""
    stale = training("DQN", 1)
    stale.delays_s["fixed_time"] += 1e-9  # type: ignore[index]
    with pytest.raises(PoolRefused, match=r"DQN seed 1 .* measured fixed_time otherwise than DQN seed 0"):
        pool_trainings([training("DQN", 0), stale])
    with pytest.raises(PoolRefused, match="no finished training"):
        pool_trainings([])
