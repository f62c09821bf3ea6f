"""Every known mistake of the past, planted in a whole section run: the verdict is `invalid` with the reason.

No check is called directly here, because a check that works but is never called would pass its own test. Each
mistake is planted where it was once made: in the signal, the demand, the reward, the measures or the baseline. Only
the figures are missing in a run with a mistake: they are drawn after the verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.kernel.outcome import KernelEnding, SectionOutcome, Verdict
from tests.unit.validation_ch7.section_7_6.test_entry import crossing_spec, run_here
from validation_ch7.section_7_6_rl_performance.controllers.fixed_time import FixedTimeController
from validation_ch7.section_7_6_rl_performance.controllers.trivial import ConstantController
from validation_ch7.section_7_6_rl_performance.evaluation import baselines, comparison, evaluation
from validation_ch7.section_7_6_rl_performance.evaluation import control_check as controllability
from validation_ch7.section_7_6_rl_performance.evaluation.tuning import Tuning
from validation_ch7.traffic.crossing.intersection import Intersection
from validation_ch7.traffic.env import scenarios
from validation_ch7.traffic.env.senses import DETECTORS
from validation_ch7.traffic.model import demand
from validation_ch7.traffic.signal.two_phase import TwoPhaseSignal

Plant = Callable[[pytest.MonkeyPatch], None]
_EVALUATE = baselines.evaluate


def cached_baseline(patch: pytest.MonkeyPatch) -> None:
    """A baseline from a cache without a key, measured under other physics (C5)."""

    def from_the_cache(controller: Any, **arguments: Any) -> Any:
        result = _EVALUATE(controller, **arguments)
        if controller.name != "fixed_time":
            return result
        return replace(result, delay_s_per_veh=result.delay_s_per_veh * 1.126)

    patch.setattr(baselines, "evaluate", from_the_cache)


def invented_result(patch: pytest.MonkeyPatch) -> None:
    """Invented constants with a little noise instead of measurements (V1, V2, V11)."""
    noise = np.random.default_rng(0)

    def invented(controller: Any, **arguments: Any) -> Any:
        result = _EVALUATE(controller, **arguments)
        if controller.name != "rl":
            return result
        return replace(result, delay_s_per_veh=noise.normal(4.8, 0.1, result.n_scenarios))

    patch.setattr(baselines, "evaluate", invented)


def negative_delay(patch: pytest.MonkeyPatch) -> None:
    """Delay of -175 s (V4, V5)."""
    delay = Intersection.delay_veh_s
    patch.setattr(Intersection, "delay_veh_s", lambda self: delay(self) - 1e5)


def speed_of_sound(patch: pytest.MonkeyPatch) -> None:
    """Mean speeds of 866 m/s: w mistaken for a momentum (V5, V9)."""
    distance = Intersection.total_distance_veh_m
    patch.setattr(Intersection, "total_distance_veh_m", lambda self: distance(self) * 66.0)


def same_for_all(patch: pytest.MonkeyPatch) -> None:
    """An improvement of 0.0 % in every scenario: one controller under both names (V6)."""
    same = FixedTimeController(14.0, 14.0)
    patch.setattr(comparison, "greedy_controller", lambda policy, lineage, **arguments: named(same, "rl"))
    run_instead(patch, FixedTimeController(14.0, 14.0))


def other_window(patch: pytest.MonkeyPatch) -> None:
    """The baseline over 600 s, the policy over 3600 s (V6)."""

    def with_shorter_episode(controller: Any, *, environment: Any, **arguments: Any) -> Any:
        if controller.name == "fixed_time":
            environment = {**environment, "episode_s": 150.0}
        return _EVALUATE(controller, environment=environment, **arguments)

    patch.setattr(baselines, "evaluate", with_shorter_episode)


def farmed_reward(patch: pytest.MonkeyPatch) -> None:
    """A reward that grows with standing traffic (V7)."""
    patch.setattr(evaluation, "reward_of", lambda delay, decision_s: -1.0 / (1.0 + np.maximum(delay, 0.0)))


def paid_for_delay(patch: pytest.MonkeyPatch) -> None:
    """A reward with the wrong sign (V7)."""
    patch.setattr(evaluation, "reward_of", lambda delay, decision_s: np.sqrt(np.maximum(delay, 0.0)))


def ignoring_signal(patch: pytest.MonkeyPatch) -> None:
    """A signal that ignores every request (V8)."""
    patch.setattr(TwoPhaseSignal, "request", lambda self, phases: None)


def frozen_observation(patch: pytest.MonkeyPatch) -> None:
    """Features read from an array that is never updated (V8)."""
    blind = replace(DETECTORS, observe=lambda simulation: np.full((simulation.batch, 15), 0.1, np.float32))
    patch.setattr(controllability, "senses_of", lambda settings: blind)


def other_demand(patch: pytest.MonkeyPatch) -> None:
    """Policy and baseline are evaluated on different random demand (V10)."""

    def with_other_scenarios(controller: Any, **arguments: Any) -> Any:
        return _EVALUATE(controller, **arguments, first_index=1000 if controller.name == "fixed_time" else 0)

    patch.setattr(baselines, "evaluate", with_other_scenarios)


def swapped_demand(patch: pytest.MonkeyPatch) -> None:
    """As `other_demand`, but labelled with the right scenarios (V10)."""

    def relabelled(controller: Any, **arguments: Any) -> Any:
        if controller.name != "fixed_time":
            return _EVALUATE(controller, **arguments)
        return replace(_EVALUATE(controller, **arguments, first_index=1000), first_index=0)

    patch.setattr(baselines, "evaluate", relabelled)


def straw_man(patch: pytest.MonkeyPatch) -> None:
    """A baseline that a random controller beats (V10)."""
    run_instead(patch, FixedTimeController(119.0, 6.0))


def never_switching(patch: pytest.MonkeyPatch) -> None:
    """A policy that always requests the same phase (C5, V10)."""
    patch.setattr(
        comparison, "greedy_controller", lambda policy, lineage, **arguments: named(ConstantController(0), "rl")
    )


def one_demand(patch: pytest.MonkeyPatch) -> None:
    """Random demand that never reaches the solver: all scenarios are equal (V12)."""
    draw = demand.draw_scenario

    def always_the_first(address: Any, **arguments: Any) -> Any:
        return replace(draw(replace(address, index=0), **arguments), address=address)

    for module in (demand, scenarios):  # of trainings, and of evaluations
        patch.setattr(module, "draw_scenario", always_the_first)


def lost_vehicles(patch: pytest.MonkeyPatch) -> None:
    """More vehicles leave the network than entered it (V5, V8: a red light that drains the road)."""
    served = Intersection.total_served_veh
    patch.setattr(Intersection, "total_served_veh", lambda self: served(self) * 3.0)


PLANTS: dict[Plant, str] = {
    cached_baseline: "fixed_time is not reproducible",
    invented_result: "rl is not reproducible",
    negative_delay: "delay_s_per_veh of rl is within",
    speed_of_sound: "mean_speed_m_s of rl is within",
    same_for_all: "rl and fixed_time have bitwise identical",
    other_window: "fixed_time was measured at another crossing: episode_s = 150.0",
    farmed_reward: "the reward trains for another goal",
    paid_for_delay: "reward_sum of rl is within",
    ignoring_signal: "The control has no effect",
    frozen_observation: "a policy would be blind",
    other_demand: "they are not paired",
    swapped_demand: "did not have the same arrivals",
    straw_man: "the baseline is too weak",
    never_switching: "requested only one phase",
    one_demand: "the demand does not vary",
    lost_vehicles: "throughput of rl is within",
}


def run_instead(patch: pytest.MonkeyPatch, plan: FixedTimeController) -> None:
    """Use another plan instead of the tuned one."""
    choose = Tuning.controller
    patch.setattr(
        Tuning,
        "controller",
        lambda self, settings: plan if self.family.name == "fixed_time" else choose(self, settings),
    )


def named(controller: Any, name: str) -> Any:
    controller.name = name
    return controller


def run_section(working: Path) -> SectionOutcome:
    """Run a section long enough that its policy uses both phases, so that only the planted mistake is invalid."""
    spec = crossing_spec(target_steps=1200, checkpoint_every_steps=1200, evaluate_every_steps=1200)
    spec["lineage"]["environment"] = {**spec["lineage"]["environment"], "episode_s": 600.0}
    return run_here(working, {**spec, "evaluation_scenarios": 12})


@pytest.fixture(scope="module", autouse=True)
def two_candidates_each() -> Iterator[None]:
    """Tune each controller over two candidates only: tuning takes most of the time and is not tested here."""
    with pytest.MonkeyPatch.context() as patch:
        few = tuple(replace(family, grid=family.grid[1:3]) for family in baselines.TUNED_FAMILIES)
        patch.setattr(baselines, "TUNED_FAMILIES", few)
        yield


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> SectionOutcome:
    return run_section(tmp_path_factory.mktemp("sound"))


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
def test_a_planted_mistake_ends_invalid_with_its_reason(
    plant: Plant, sound: SectionOutcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = PLANTS[plant]
    assert not any(reason in text for text in sound.verdict_reasons)  # the sound run does not have this reason
    plant(monkeypatch)
    outcome = run_section(tmp_path)
    assert outcome.verdict is Verdict.INVALID
    assert any(reason in text for text in outcome.verdict_reasons), outcome.verdict_reasons
    assert "delay_reduction_pct" not in outcome.summary or outcome.summary["delay_reduction_pct"] is None
    before_training = plant in (ignoring_signal, frozen_observation)
    assert outcome.ending is (KernelEnding.SECTION_FAILED if before_training else KernelEnding.FINISHED)
    assert bool(outcome.training) is not before_training


def test_the_section_without_a_mistake_is_valid(sound: SectionOutcome) -> None:
    assert sound.ending is KernelEnding.FINISHED
    assert sound.verdict is not Verdict.INVALID, sound.verdict_reasons
    # With two candidates each, every choice is at the end of its grid, and a reader of the verdict must see that.
    assert any("the end of its grid" in text for text in sound.verdict_reasons)
