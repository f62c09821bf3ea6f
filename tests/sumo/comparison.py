"""Runs the same controllers on the same scenarios, in this project's model and in SUMO."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.sumo.hour import SumoCrossing
from tests.sumo.rows import COMPARED, Delays
from tests.sumo.simulation import SumoSimulation
from tests.sumo.trips import read_trips
from validation_ch7.section_7_6_rl_performance.controllers.families import TUNED_FAMILIES
from validation_ch7.section_7_6_rl_performance.controllers.interface import Controller
from validation_ch7.section_7_6_rl_performance.evaluation.evaluation import evaluate
from validation_ch7.section_7_6_rl_performance.evaluation.tuning import tune
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.model.demand import Scenario, ScenarioAddress, Split, draw_scenarios

SUMO_PROGRAMME = "sumo_actuated"
_PART_STEPS = 200


def tuned_controllers(environment: Mapping[str, Any], n_tuning: int) -> list[tuple[Controller, str]]:
    """The compared controllers, tuned in this project's model on tuning scenarios, each with its parameters as text."""
    settings = EnvironmentSettings.from_mapping(environment)
    found = []
    for family in TUNED_FAMILIES:
        if family.name in COMPARED:
            tuning = tune(family, environment=environment, n_scenarios=n_tuning)
            text = ", ".join(f"{name} {value:g}" for name, value in tuning.chosen.items())
            found.append((tuning.controller(settings), text))
    return found


def scenarios_at(settings: EnvironmentSettings, hours: range) -> tuple[Scenario, ...]:
    """Test scenarios of the section by their indices."""
    addresses = [ScenarioAddress(split=Split.TEST, index=index) for index in hours]
    return draw_scenarios(addresses, episode_s=settings.episode_s, vf_m_s=settings.traffic.vf_m_s)


def evaluate_here(controller: Controller, environment: Mapping[str, Any], hours: range) -> Delays:
    """Delays on test scenarios in this project's model."""
    result = evaluate(
        controller, environment=environment, split=Split.TEST, n_scenarios=len(hours), first_index=hours.start
    )
    before_s = result.mean_queue_veh * result.crossing["episode_s"] / np.maximum(result.arrived_veh, 1.0)
    return Delays(total_s=result.delay_s_per_veh, before_s=before_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class InSumo:
    """Runs controllers on the same scenarios in SUMO.

    Attributes:
        crossing: The crossing.
        scenarios: The scenarios.
        say: Called with one line for each scenario.
    """

    crossing: SumoCrossing
    scenarios: Sequence[Scenario]
    say: Callable[[str], None]

    def evaluate(self, controller: Controller | None) -> Delays:
        """Delays of a controller; None is SUMO's own actuated programme."""
        total, before, loss = np.array([self._hour(scenario, controller) for scenario in self.scenarios]).T
        return Delays(total_s=total, before_s=before, time_loss_s=loss)

    def _hour(self, scenario: Scenario, controller: Controller | None) -> tuple[float, float, float]:
        with self.crossing.running(scenario, own_programme=controller is None) as simulation:
            drive(simulation, controller)
        trips = read_trips(self.crossing.trips, self.crossing.settings.traffic.vf_m_s)
        if trips.vehicles != scenario.arrivals_veh.sum():
            raise RuntimeError(f"SUMO recorded {trips.vehicles} of {scenario.arrivals_veh.sum():.0f} vehicles")
        name = SUMO_PROGRAMME if controller is None else controller.name
        self.say(f"{name}, scenario {scenario.address.index}: {trips.delay_s:.2f} s per vehicle")
        before_s = float(simulation.traffic.approach_delay_veh_s()[0]) / max(1, trips.vehicles)
        return trips.delay_s, before_s, trips.time_loss_s


def drive(simulation: SumoSimulation, controller: Controller | None) -> None:
    """Control a crossing from its start to the end of its scenario; None leaves it to SUMO's own programme."""
    settings = simulation.settings
    whole = settings.steps("episode_s")
    if controller is None:
        advance_in_parts(simulation, whole)
        return
    controller.begin(simulation.addresses)
    every = settings.steps_in(controller.resolution_s)
    for _ in range(whole // every):
        simulation.request(controller.decide(simulation))
        simulation.advance(every)


def advance_in_parts(simulation: SumoSimulation, n_steps: int) -> None:
    """Simulate many steps without decisions; answers of SUMO about a whole hour would be large."""
    for done in range(0, n_steps, _PART_STEPS):
        simulation.advance(min(_PART_STEPS, n_steps - done))
