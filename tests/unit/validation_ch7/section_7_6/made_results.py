"""A valid comparison made from invented numbers; each test changes one thing in it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from validation_ch7.section_7_6_rl_performance.evaluation.evaluation import EvaluationResult
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.model.demand import Split

MEAN_DELAY_S = {
    "rl": 21.0,
    "fixed_time": 30.0,
    "webster": 27.0,
    "actuated": 20.0,
    "max_pressure": 25.0,
    "longest_queue": 24.0,
    "sotl": 22.0,
    "rollout": 19.5,
    "constant_ns": 480.0,
    "constant_ew": 450.0,
    "random": 37.0,
}

STAMP = {
    "run_id": "run-7",
    "session": 3,
    "attempt": 1,
    "nonce": "abc123",
    "section": "section_7_6",
    "lineage_id": "l" * 64,
    "spec_digest": "s" * 64,
    "bundle_digest": "b" * 64,
}

TRAINING = {
    "gradient_updates": 4950,
    "policy_digest_before": "a" * 64,
    "policy_digest_after": "c" * 64,
    "policy_digest_evaluated": "d" * 64,
}


def result(name: str, mean_delay_s: float, n: int = 60) -> EvaluationResult:
    """Results with a scenario difficulty common to all controllers and a small part of the controller's own."""
    hardness = np.random.default_rng(1).uniform(0.6, 1.4, n)
    own = np.random.default_rng(list(name.encode())).uniform(0.97, 1.03, n)
    delay_s = mean_delay_s * hardness / hardness.mean() * own
    constant = name.startswith("constant")
    action_counts = np.tile(
        [[300, 60]] if not constant else [[360, 0]] if name == "constant_ns" else [[0, 360]], (n, 1)
    )
    return EvaluationResult(
        controller=name,
        split=Split.TEST,
        first_index=0,
        crossing=EnvironmentSettings().describe(),
        arrived_veh=np.round(1500.0 * hardness),
        delay_s_per_veh=delay_s,
        worst_approach_s_per_veh=delay_s * 1.3,
        stops_per_veh=np.full_like(delay_s, 0.7),
        mean_queue_veh=delay_s * 0.4,
        throughput=np.full(n, 0.98),
        mean_speed_m_s=13.0 / (1.0 + delay_s / 40.0),
        reward_sum=-delay_s * 9.0,
        n_switches=np.full(n, 30 if constant else 120),
        n_forced_switches=np.full(n, 30 if constant else 0),
        longest_forced_s=np.full(n, 3000.0 if constant else 60.0),
        action_counts=action_counts.astype(np.int64),
    )


def results(n: int = 60, **mean_delay_s: float) -> dict[str, EvaluationResult]:
    """Results of all controllers; `mean_delay_s` replaces default means by name."""
    return {name: result(name, value, n) for name, value in {**MEAN_DELAY_S, **mean_delay_s}.items()}


def spoilt(sound: dict[str, EvaluationResult], name: str, **changes: Any) -> dict[str, EvaluationResult]:
    """The same comparison with some arrays or labels of one controller replaced."""
    return {**sound, name: replace(sound[name], **changes)}


def with_value(values: Any, value: float, place: int = 5) -> Any:
    """A copy with one number replaced."""
    copy = np.array(values)
    copy[place] = value
    return copy
