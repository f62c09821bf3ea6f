"""A frozen policy and a blind network, each planted in a whole run: the session ends, and its result is invalid."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from stable_baselines3.common.policies import BasePolicy
from tiny_world import SECTION_DIR

from orchestrator.kernel.outcome import KernelEnding, SectionOutcome, Verdict
from tests.unit.validation_ch7.section_7_6.test_entry import crossing_spec, run_here, whole_environment
from validation_ch7.section_7_6_rl_performance import write_results
from validation_ch7.section_7_6_rl_performance.controllers.families import TUNED_FAMILIES
from validation_ch7.section_7_6_rl_performance.controllers.policy import PolicyController
from validation_ch7.section_7_6_rl_performance.evaluation import baselines, comparison
from validation_ch7.traffic.signal.two_phase import EAST_WEST

Seen = npt.NDArray[np.float32]
PHASE, GREEN_OVER_60_S = 13, 14
"""Features of an observation: the second phase has green, and for how long."""

HEAVY = float(np.log1p(12.0 / 20.0))
"""The feature of twelve vehicles that stand on one approach."""


class Planted(PolicyController):
    """Serves the longer queue, until some approach has a long one: then by another rule, to the end of the episode.

    Args:
        network: Called first at each decision, since a session also watches the network.
        frozen: The other rule.
    """

    def __init__(self, network: Callable[[Seen], Any], frozen: Callable[[Seen], Seen] | None) -> None:
        super().__init__(self._act, 10.0)
        self._network, self._frozen = network, frozen
        self._is_frozen = np.zeros(0, dtype=np.bool_)

    def begin(self, addresses: Any) -> None:
        self._is_frozen = np.zeros(len(addresses), dtype=np.bool_)

    def _act(self, seen: Seen) -> npt.NDArray[np.int64]:
        self._network(seen)
        honest = seen[:, 2:4].sum(axis=1) > seen[:, 0:2].sum(axis=1)
        if self._frozen is None:
            return honest.astype(np.int64)
        self._is_frozen |= seen[:, :4].max(axis=1) > HEAVY
        return np.where(self._is_frozen, self._frozen(seen), honest).astype(np.int64)


def asks_for_one_phase(seen: Seen) -> Seen:
    return np.full(len(seen), float(EAST_WEST), dtype=np.float32)


def keeps_the_green(seen: Seen) -> Seen:
    return seen[:, PHASE]


def goes_back(seen: Seen) -> Seen:
    """Asks for the other phase only while its forced green is too young to be ended, as trained policies have done."""
    young = (seen[:, PHASE] == 0.0) & (seen[:, GREEN_OVER_60_S] * 60.0 < 10.0)
    return np.where(young, 0.0, 1.0).astype(np.float32)


def whole_run(root: Path, monkeypatch: pytest.MonkeyPatch, **lineage: Any) -> tuple[SectionOutcome, dict[str, Any]]:
    """A session from the training to the verdict, with one candidate per classical controller and without pictures."""
    families = tuple(replace(family, grid=family.grid[:1]) for family in TUNED_FAMILIES)
    monkeypatch.setattr(baselines, "TUNED_FAMILIES", families)
    monkeypatch.setattr(write_results, "draw", lambda *_, **__: None)
    spec = {**crossing_spec(), "evaluation_scenarios": 10}
    spec["lineage"]["environment"] = whole_environment(episode_s=2400.0)
    spec["lineage"].update(lineage)
    outcome = run_here(root, spec)
    path = root / SECTION_DIR / "data/metrics/rl_performance_comparison.json"
    return outcome, json.loads(path.read_text("utf-8"))


def acting(frozen: Callable[[Seen], Seen] | None) -> Callable[..., PolicyController]:
    def build(policy: BasePolicy, *_: Any, **__: Any) -> PolicyController:
        return Planted(lambda seen: policy.predict(seen, deterministic=True), frozen)

    return build


@pytest.mark.parametrize(
    "frozen",
    [asks_for_one_phase, *(pytest.param(one, marks=pytest.mark.prove) for one in (keeps_the_green, goes_back))],
)
def test_a_policy_that_freezes_in_heavy_traffic_is_invalid(
    frozen: Callable[[Seen], Seen], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "greedy_controller", acting(frozen))
    outcome, report = whole_run(tmp_path, monkeypatch)
    assert outcome.ending is KernelEnding.FINISHED and outcome.verdict is Verdict.INVALID
    (reason,) = outcome.verdict_reasons
    assert reason.startswith("The policy rl is frozen in ") and "asks for one phase while the other waits" in reason
    assert report["verdict"] == "invalid" and report["controllers"]["rl"]["longest_forced_s"] >= 600.0
    assert "Invalid comparison" in (tmp_path / SECTION_DIR / "data/metrics/rl_performance_comparison.tex").read_text(
        "utf-8"
    )


@pytest.mark.prove
def test_the_same_policy_without_the_fault_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "greedy_controller", acting(None))
    outcome, report = whole_run(tmp_path, monkeypatch)
    assert outcome.verdict is not None and outcome.verdict is not Verdict.INVALID, outcome.verdict_reasons
    assert report["controllers"]["rl"]["longest_forced_s"] < 300.0


def dead(policy: BasePolicy) -> None:
    network: Any = policy.q_net.q_net
    network[0].bias.fill_(-1e3)


@pytest.mark.parametrize("spoilt", [True, pytest.param(False, marks=pytest.mark.prove)])
def test_a_network_that_is_blind_in_heavy_traffic_is_invalid(
    spoilt: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if what it does looks sound: here an honest rule acts in its place."""
    best_policy = comparison.best_policy

    def with_fault(training: Any) -> Any:
        best, policy = best_policy(training)
        if spoilt:
            with torch.no_grad():
                dead(policy)
        return best, policy

    monkeypatch.setattr(comparison, "best_policy", with_fault)
    monkeypatch.setattr(comparison, "greedy_controller", acting(None))
    outcome, report = whole_run(tmp_path, monkeypatch)
    blind = [reason for reason in outcome.verdict_reasons if reason.startswith("The network is blind in heavy traffic")]
    assert bool(blind) is spoilt and (outcome.verdict is Verdict.INVALID) is spoilt
    assert set(report["network_check"]["responding_share"].values()) == {0.0} or not spoilt
