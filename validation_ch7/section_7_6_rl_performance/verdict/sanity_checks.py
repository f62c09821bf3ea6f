"""Finds invalid evaluations: numbers that are physically impossible, and results that cannot be compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np

from validation_ch7.section_7_6_rl_performance.evaluation.evaluation import EvaluationResult, measure_names
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.model.demand import Split

POLICY = "rl"
CONSTANTS = ("constant_ns", "constant_ew")
RANDOM = "random"

# Measures that cannot be bitwise equal in every scenario for different controllers.
_DISTINCTIVE = ("delay_s_per_veh", "mean_queue_veh", "mean_speed_m_s")
# Tolerance for rounding in sums of millions of terms.
_ROUNDING = 1e-9
_MOST_THROUGHPUT = 1.001
# At the card's crossing no candidate of a classical controller exceeds 260 s, and no trained policy 130 s, except where
# it is frozen: there it is 1,400 s and more (docs/SCIENCE.md).
_LONGEST_FORCED_S = 600.0
# Reward and delay weigh the minutes of an hour differently, so they may rank some pairs of controllers differently.
_LEAST_CONCORDANCE = 0.75


def comparison_faults(
    results: Mapping[str, EvaluationResult], *, baseline: str, settings: EnvironmentSettings
) -> tuple[str, ...]:
    """All reasons why a comparison is invalid, one sentence each; empty if it is valid.

    Args:
        results: Controller name -> its result.
        baseline: Name of the controller that the policy is compared with.
        settings: The crossing, for physical bounds.
    """
    missing = [name for name in (POLICY, baseline, *CONSTANTS, RANDOM) if name not in results]
    if missing:
        return tuple(
            f"The controller {name} was not evaluated, so the comparison cannot be checked." for name in missing
        )
    structural = (*_misnamed(results), *_elsewhere(results, settings), *_not_paired(results, baseline))
    if structural:
        return structural
    unphysical = tuple(_unphysical(results, settings))
    if unphysical:
        return unphysical
    return (
        *_identical(results),
        *_no_variety(results),
        *_reward_contradicts_delay(results),
        *_constant_policy(results[POLICY]),
        *_frozen_policy(results[POLICY], settings),
        *_baseline_too_weak(results, baseline),
    )


def _misnamed(results: Mapping[str, EvaluationResult]) -> Iterator[str]:
    for name, result in results.items():
        if result.controller != name:
            yield f"The result of {name} is that of {result.controller}."


def _elsewhere(results: Mapping[str, EvaluationResult], settings: EnvironmentSettings) -> Iterator[str]:
    """Results of another crossing: another episode length or signal is another task."""
    expected = settings.describe()
    for name, result in results.items():
        differ = [
            f"{key} = {result.crossing.get(key)} instead of {value}"
            for key, value in expected.items()
            if result.crossing.get(key) != value
        ]
        if differ:
            yield f"{name} was measured at another crossing: {', '.join(differ)}."


def _not_paired(results: Mapping[str, EvaluationResult], baseline: str) -> Iterator[str]:
    of_baseline = results[baseline]
    for name, result in results.items():
        if result.split is not Split.TEST:
            yield f"{name} was evaluated on {result.split.name.lower()} scenarios; only test scenarios are allowed."
        if result.first_index != of_baseline.first_index or result.n_scenarios != of_baseline.n_scenarios:
            yield f"{name} used {_scenarios(result)} and {baseline} {_scenarios(of_baseline)}: they are not paired."
        elif not np.array_equal(result.arrived_veh, of_baseline.arrived_veh):
            yield f"{name} and {baseline} did not have the same arrivals."
        if len({len(getattr(result, measure)) for measure in measure_names()}) != 1:
            yield f"The measures of {name} have different numbers of scenarios."


def _scenarios(result: EvaluationResult) -> str:
    return f"scenarios {result.first_index} to {result.first_index + result.n_scenarios - 1}"


def _unphysical(results: Mapping[str, EvaluationResult], settings: EnvironmentSettings) -> Iterator[str]:
    bounds = {
        "delay_s_per_veh": (0.0, settings.episode_s, "s"),
        "worst_approach_s_per_veh": (0.0, settings.episode_s, "s"),
        "mean_speed_m_s": (0.0, settings.traffic.vf_m_s, "m/s"),
        "throughput": (0.0, _MOST_THROUGHPUT, ""),
        "mean_queue_veh": (0.0, np.inf, "veh"),
        "stops_per_veh": (0.0, np.inf, ""),
        "reward_sum": (-np.inf, 0.0, ""),
        "n_switches": (0.0, np.inf, ""),
        "longest_forced_s": (0.0, settings.episode_s, "s"),
    }
    for name, result in results.items():
        for measure in measure_names():
            values = np.asarray(getattr(result, measure), dtype=np.float64)
            if not np.isfinite(values).all():
                yield f"{measure} of {name} is not a finite number in every scenario."
                continue
            low, high, unit = bounds.get(measure, (-np.inf, np.inf, ""))
            least, most = float(values.min()), float(values.max())
            if least < low - _ROUNDING or most > high + _ROUNDING * max(1.0, abs(high)):
                yield (
                    f"{measure} of {name} is within [{least:.6g}, {most:.6g}] {unit}".rstrip()
                    + f", but only [{low:.6g}, {high:.6g}] is possible."
                )


def _identical(results: Mapping[str, EvaluationResult]) -> Iterator[str]:
    """Bitwise equal results of two controllers: they are the same controller, or the signal has no effect."""
    for (name, result), (other, of_other) in combinations(results.items(), 2):
        same = [key for key in _DISTINCTIVE if np.array_equal(getattr(result, key), getattr(of_other, key))]
        if same:
            yield f"{name} and {other} have bitwise identical {', '.join(same)} in every scenario."


def _no_variety(results: Mapping[str, EvaluationResult]) -> Iterator[str]:
    """Equal delays in all scenarios: the random demand was not used."""
    for name, result in results.items():
        # The random controller's delay varies even with constant demand.
        if name != RANDOM and result.n_scenarios > 1 and np.ptp(result.delay_s_per_veh) == 0.0:
            yield f"{name} has the same delay in every scenario: the demand does not vary."


def _reward_contradicts_delay(results: Mapping[str, EvaluationResult]) -> Iterator[str]:
    """The reward must fall as the delay grows, or the policy is trained for another goal than the measured one."""
    agree, pairs = 0.0, 0
    for one, other in combinations(results.values(), 2):
        by_delay = np.sign(one.delay_s_per_veh - other.delay_s_per_veh)
        by_reward = np.sign(other.reward_sum - one.reward_sum)
        agree += float((by_delay == by_reward).sum())
        pairs += one.n_scenarios
    if agree < _LEAST_CONCORDANCE * pairs:
        yield (
            f"Reward and delay rank two controllers alike in only {100.0 * agree / pairs:.0f} % of {pairs} pairs:"
            " the reward trains for another goal."
        )


def _constant_policy(policy: EvaluationResult) -> Iterator[str]:
    if not (policy.n_switches - policy.n_forced_switches).any():
        yield f"The policy {policy.controller} never changed the phase itself in any scenario."
    # A policy that always requests the second phase does switch: back after every forced change.
    requested = policy.action_counts.sum(axis=0)
    if np.count_nonzero(requested) < 2:
        yield f"The policy {policy.controller} requested only one phase: counts {requested.tolist()}."


def _frozen_policy(policy: EvaluationResult, settings: EnvironmentSettings) -> Iterator[str]:
    """A policy that asks for one phase for many minutes, while vehicles wait for the other, no longer decides."""
    limit_s = max(_LONGEST_FORCED_S, 2.0 * settings.max_green_s)
    frozen = policy.longest_forced_s >= limit_s
    if frozen.any():
        worst = int(policy.longest_forced_s.argmax())
        yield (
            f"The policy {policy.controller} is frozen in {int(frozen.sum())} of {policy.n_scenarios} scenarios: it"
            f" asks for one phase while the other waits. In scenario {policy.first_index + worst} vehicles stand for"
            f" {policy.longest_forced_s[worst]:.0f} s on an axis that gets green only by force, from the maximum green"
            f" ({policy.n_forced_switches[worst]} forced changes there; {limit_s:.0f} s are too long)."
        )


def _baseline_too_weak(results: Mapping[str, EvaluationResult], baseline: str) -> Iterator[str]:
    """A trivial controller must not beat the baseline: the baseline would be untuned or the delay measured wrongly."""
    if not results[baseline].delay_s_per_veh.min() > 0.0:
        yield f"{baseline} has no delay in some scenario, so a relative reduction is undefined."
    of_baseline_s = float(results[baseline].delay_s_per_veh.mean())
    for name in (RANDOM, *CONSTANTS):
        delay_s = float(results[name].delay_s_per_veh.mean())
        if delay_s <= of_baseline_s:
            yield (
                f"{name} delays by {delay_s:.2f} s/veh, no more than {baseline} with {of_baseline_s:.2f} s/veh:"
                " the baseline is too weak."
            )
