"""How long vehicles wait on an axis that gets green only by force: three frozen controllers, and honest ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from validation_ch7.section_7_6_rl_performance.controllers.families import TUNED_FAMILIES
from validation_ch7.section_7_6_rl_performance.controllers.interface import Controller, Phases, WithoutMemory, green_s
from validation_ch7.section_7_6_rl_performance.controllers.trivial import ConstantController, RandomController
from validation_ch7.section_7_6_rl_performance.evaluation.evaluation import evaluate
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.arz import Floats
from validation_ch7.traffic.model.demand import Split

FROZEN_S = 600.0


class Rule(WithoutMemory):
    """A controller with one rule, which decides every 10 s."""

    name, resolution_s = "rl", 10.0

    def __init__(self, rule: Callable[[CrossingSimulation], Phases]) -> None:
        self._rule = rule

    def decide(self, simulation: CrossingSimulation) -> Phases:
        return self._rule(simulation)


def keeps_every_green(simulation: CrossingSimulation) -> Phases:
    return np.array(simulation.signal.phase)


def goes_back_after_each_forced_green(simulation: CrossingSimulation) -> Phases:
    """Asks for the phase that the maximum green has just forced, until it may change back to the other one."""
    young = (simulation.signal.phase == 0) & (green_s(simulation) < 10.0)
    return np.where(young, 0, 1)


def longest_forced_s(controller: Controller, n_scenarios: int = 3, **card: object) -> Floats:
    return evaluate(controller, environment=card, split=Split.TUNING, n_scenarios=n_scenarios).longest_forced_s


@pytest.mark.parametrize(
    "controller",
    [ConstantController(0), ConstantController(1), Rule(keeps_every_green), Rule(goes_back_after_each_forced_green)],
    ids=["asks for north-south", "asks for east-west", "keeps", "goes back"],
)
def test_a_frozen_controller_leaves_vehicles_to_the_maximum_green(controller: Controller) -> None:
    assert longest_forced_s(controller).max() > FROZEN_S


FAMILIES = {family.name: family for family in TUNED_FAMILIES}


def candidates(name: str) -> list[Controller]:
    """All controllers of a family; rollout has the candidates of the family that it improves."""
    family = FAMILIES[name]
    grid = FAMILIES[family.base].grid if family.base else family.grid
    return [family.build(EnvironmentSettings(), parameters) for parameters in grid]


@pytest.mark.parametrize("name", ["random", *FAMILIES])
def test_an_honest_controller_serves_every_axis(name: str) -> None:
    controllers = [RandomController(0)] if name == "random" else candidates(name)[:: 24 if name != "rollout" else 25]
    for one in controllers:
        found_s = longest_forced_s(one, n_scenarios=2 if name == "rollout" else 3)
        assert found_s.min() > 0.0 and found_s.max() < 0.5 * FROZEN_S


@pytest.mark.prove
def test_every_candidate_of_every_classical_controller_is_far_from_frozen() -> None:
    for name in FAMILIES.keys() - {"rollout"}:  # about thirty times as slow; the test above has it
        for controller in candidates(name):
            found_s = longest_forced_s(controller, n_scenarios=100)
            assert found_s.max() < 0.5 * FROZEN_S, (name, vars(controller))


def test_a_stretch_is_counted_in_whole_decisions_and_ends_with_the_episode() -> None:
    found_s = longest_forced_s(ConstantController(1), episode_s=600.0)
    assert found_s.max() <= 600.0 and (found_s % 10.0 == 0.0).all()


def test_without_vehicles_that_wait_a_green_may_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "validation_ch7.section_7_6_rl_performance.evaluation.neglect.standing_veh",
        lambda simulation: np.full((simulation.batch, 4), 0.49),
    )
    assert longest_forced_s(Rule(keeps_every_green), episode_s=600.0).max() == 0.0
