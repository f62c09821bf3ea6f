"""Every mistake that once made a headline, planted in a whole section run: each ends `invalid` and says why.

A guard that works alone but is never asked would pass its own test; so nothing here calls a guard. Each plant is made
where the mistake was made: in the signal, the demand, the reward, the measures, the baseline, or what is kept. Only
the pictures are left out of a run with a plant: they are drawn when the verdict stands.
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
from validation_ch7.section_7_6_rl_performance.evaluation import comparison, evaluation
from validation_ch7.section_7_6_rl_performance.evaluation import control_check as controllability
from validation_ch7.section_7_6_rl_performance.evaluation.tuning import Tuning
from validation_ch7.traffic.crossing.intersection import Intersection
from validation_ch7.traffic.model import demand
from validation_ch7.traffic.signal.two_phase import TwoPhaseSignal

Plant = Callable[[pytest.MonkeyPatch], None]
_EVALUATE = comparison.evaluate


def kept_number(patch: pytest.MonkeyPatch) -> None:
    """A baseline from a cache without a key: measured once, under other physics, and never again (C5)."""

    def from_the_cache(controller: Any, **where: Any) -> Any:
        result = _EVALUATE(controller, **where)
        if controller.name != "fixed_time":
            return result
        return replace(result, delay_s_per_veh=result.delay_s_per_veh * 1.126)

    patch.setattr(comparison, "evaluate", from_the_cache)


def literal_result(patch: pytest.MonkeyPatch) -> None:
    """Numbers from the source text, with a little noise for looks (V1, V2, V11)."""
    noise = np.random.default_rng(0)

    def written(controller: Any, **where: Any) -> Any:
        result = _EVALUATE(controller, **where)
        if controller.name != "rl":
            return result
        return replace(result, delay_s_per_veh=noise.normal(4.8, 0.1, result.n_scenarios))

    patch.setattr(comparison, "evaluate", written)


def negative_delay(patch: pytest.MonkeyPatch) -> None:
    """Delay of -175 s (V4, V5)."""
    delay = Intersection.delay_veh_s
    patch.setattr(Intersection, "delay_veh_s", lambda self: delay(self) - 1e5)


def speed_of_sound(patch: pytest.MonkeyPatch) -> None:
    """Mean speeds of 866 m/s: w taken for a momentum (V5, V9)."""
    distance = Intersection.total_distance_veh_m
    patch.setattr(Intersection, "total_distance_veh_m", lambda self: distance(self) * 66.0)


def same_for_all(patch: pytest.MonkeyPatch) -> None:
    """An improvement of 0.0 % in every scenario: both names, one controller (V6)."""
    same = FixedTimeController(14.0, 14.0)
    patch.setattr(comparison, "greedy_controller", lambda policy, lineage, **how: named(same, "rl"))
    run_instead(patch, FixedTimeController(14.0, 14.0))


def other_window(patch: pytest.MonkeyPatch) -> None:
    """The baseline over 600 s, the policy over 3600 s (V6)."""

    def shorter(controller: Any, *, environment: Any, **where: Any) -> Any:
        if controller.name == "fixed_time":
            environment = {**environment, "episode_s": 150.0}
        return _EVALUATE(controller, environment=environment, **where)

    patch.setattr(comparison, "evaluate", shorter)


def farmed_reward(patch: pytest.MonkeyPatch) -> None:
    """A reward that pays for standing traffic (V7)."""
    patch.setattr(evaluation, "reward_of", lambda delay, decision_s: -1.0 / (1.0 + np.maximum(delay, 0.0)))


def paid_for_delay(patch: pytest.MonkeyPatch) -> None:
    """The sign of the reward (V7)."""
    patch.setattr(evaluation, "reward_of", lambda delay, decision_s: np.sqrt(np.maximum(delay, 0.0)))


def deaf_signal(patch: pytest.MonkeyPatch) -> None:
    """A signal without effect: whatever is asked for, the light does as it likes (V8)."""
    patch.setattr(TwoPhaseSignal, "request", lambda self, phases: None)


def frozen_observation(patch: pytest.MonkeyPatch) -> None:
    """Features read from an array that is never updated (V8)."""
    patch.setattr(controllability, "observe", lambda simulation: np.full((simulation.batch, 15), 0.1, np.float32))


def other_demand(patch: pytest.MonkeyPatch) -> None:
    """The policy on random demand against a reference on another (V10)."""

    def elsewhere(controller: Any, **where: Any) -> Any:
        return _EVALUATE(controller, **where, first_index=1000 if controller.name == "fixed_time" else 0)

    patch.setattr(comparison, "evaluate", elsewhere)


def swapped_demand(patch: pytest.MonkeyPatch) -> None:
    """The same, with the label of the right scenarios (V10)."""

    def relabelled(controller: Any, **where: Any) -> Any:
        if controller.name != "fixed_time":
            return _EVALUATE(controller, **where)
        return replace(_EVALUATE(controller, **where, first_index=1000), first_index=0)

    patch.setattr(comparison, "evaluate", relabelled)


def straw_man(patch: pytest.MonkeyPatch) -> None:
    """A baseline that a random controller beats (V10)."""
    run_instead(patch, FixedTimeController(119.0, 6.0))


def never_switching(patch: pytest.MonkeyPatch) -> None:
    """A policy of 40 equal actions out of 40 (C5, V10)."""
    patch.setattr(comparison, "greedy_controller", lambda policy, lineage, **how: named(ConstantController(0), "rl"))


def one_demand(patch: pytest.MonkeyPatch) -> None:
    """Domain randomisation that never reaches the solver (V12)."""
    draw = demand.draw_scenario

    def always_the_first(address: Any, **how: Any) -> Any:
        return replace(draw(replace(address, index=0), **how), address=address)

    patch.setattr(demand, "draw_scenario", always_the_first)


def lost_vehicles(patch: pytest.MonkeyPatch) -> None:
    """Vehicles that leave the network more often than they came (V5, V8: a red light that drains the road)."""
    served = Intersection.total_served_veh
    patch.setattr(Intersection, "total_served_veh", lambda self: served(self) * 3.0)


PLANTS: dict[Plant, str] = {
    kept_number: "fixed_time is not reproducible",
    literal_result: "rl is not reproducible",
    negative_delay: "delay_s_per_veh of rl is within",
    speed_of_sound: "mean_speed_m_s of rl is within",
    same_for_all: "rl and fixed_time have bitwise identical",
    other_window: "fixed_time was measured at another crossing: episode_s = 150.0",
    farmed_reward: "the reward trains for another goal",
    paid_for_delay: "reward_sum of rl is within",
    deaf_signal: "The control has no effect",
    frozen_observation: "a policy would be blind",
    other_demand: "they are not paired",
    swapped_demand: "did not have the same arrivals",
    straw_man: "the baseline is too weak",
    never_switching: "requested only one phase",
    one_demand: "the demand does not vary",
    lost_vehicles: "throughput of rl is within",
}


def run_instead(patch: pytest.MonkeyPatch, plan: FixedTimeController) -> None:
    """Another plan in the place of the tuned one."""
    choose = Tuning.controller
    patch.setattr(
        Tuning,
        "controller",
        lambda self, settings: plan if self.family.name == "fixed_time" else choose(self, settings),
    )


def named(controller: Any, name: str) -> Any:
    controller.name = name
    return controller


def a_section(working: Path) -> SectionOutcome:
    """Long enough for a policy that uses both phases, so that nothing but the plant is against it."""
    spec = crossing_spec(target_steps=1200, checkpoint_every_steps=1200, evaluate_every_steps=1200)
    spec["lineage"]["environment"] = {"episode_s": 600.0}
    return run_here(working, {**spec, "evaluation_scenarios": 12})


@pytest.fixture(scope="module", autouse=True)
def two_candidates_each() -> Iterator[None]:
    """How finely the controllers are tuned is no mistake of theirs, and takes most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        few = tuple(replace(family, grid=family.grid[1:3]) for family in comparison.TUNED_FAMILIES)
        patch.setattr(comparison, "TUNED_FAMILIES", few)
        yield


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> SectionOutcome:
    return a_section(tmp_path_factory.mktemp("sound"))


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
def test_a_planted_mistake_ends_invalid_with_its_reason(
    plant: Plant, sound: SectionOutcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = PLANTS[plant]
    assert not any(reason in told for told in sound.verdict_reasons)  # it is the plant that is told of
    plant(monkeypatch)
    outcome = a_section(tmp_path)
    assert outcome.verdict is Verdict.INVALID
    assert any(reason in told for told in outcome.verdict_reasons), outcome.verdict_reasons
    assert "delay_reduction_pct" not in outcome.summary or outcome.summary["delay_reduction_pct"] is None
    before_training = plant in (deaf_signal, frozen_observation)
    assert outcome.ending is (KernelEnding.SECTION_FAILED if before_training else KernelEnding.FINISHED)
    assert bool(outcome.training) is not before_training


def test_the_sound_section_is_complete(sound: SectionOutcome) -> None:
    assert sound.ending is KernelEnding.FINISHED
    assert sound.verdict is not Verdict.INVALID, sound.verdict_reasons
