"""Simulates several candidates of one kind of controller at once, to compare their delays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from validation_ch7.section_7_6_rl_performance.controllers.interface import Controller
from validation_ch7.section_7_6_rl_performance.evaluation.evaluation import (
    addresses_of,
    batches_of,
    decisions_of,
    new_simulation,
)
from validation_ch7.traffic.env.scenarios import nominal_scenario
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.arz import Floats
from validation_ch7.traffic.model.demand import ScenarioAddress, Split

# Crossings of one batch; faster than 100 and 500 in measurements.
_WIDEST = 200


def delays_side_by_side(
    build: Callable[[EnvironmentSettings, Mapping[str, Any]], Controller],
    candidates: Sequence[Mapping[str, float]],
    *,
    environment: Mapping[str, object],
    split: Split,
    n_scenarios: int,
) -> Floats:
    """Delay per vehicle under candidates of one kind, shape (candidates, n), s; equal to those of `evaluate`.

    Several candidates are simulated as one batch, since most of the time of a narrow one is spent in numpy calls.

    Args:
        build: Builds the controller of a batch; each parameter is one number, or one for each crossing if several
            candidates share the batch.
        candidates: The parameters of each candidate; all have the same names.
        environment: The `environment` block of a section's card.
        split: Split of the scenarios.
        n_scenarios: Number of scenarios.
    """
    settings = EnvironmentSettings.from_mapping(environment)
    at_once = max(1, _WIDEST // n_scenarios)
    delays_s = []
    for first in range(0, len(candidates), at_once):
        few = candidates[first : first + at_once]
        each_s = []
        for addresses in batches_of(addresses_of(split, 0, n_scenarios)):
            chosen: Mapping[str, Any] = few[0]
            if len(few) > 1:
                chosen = {name: np.repeat([one[name] for one in few], len(addresses)) for name in few[0]}
            simulation = _simulate(build(settings, chosen), settings, addresses * len(few))
            delay_s = simulation.traffic.delay_veh_s() / np.maximum(simulation.traffic.total_arrived_veh(), 1.0)
            each_s.append(delay_s.reshape(len(few), -1))
        delays_s.append(np.concatenate(each_s, axis=1))
    return np.concatenate(delays_s)


def _simulate(
    controller: Controller, settings: EnvironmentSettings, addresses: list[ScenarioAddress]
) -> CrossingSimulation:
    """The simulation at the end of the episode, without measures that only an evaluation has."""
    n_decisions, steps_each = decisions_of(controller, settings)
    simulation = new_simulation(settings, addresses, nominal_scenario, counts_stops=False)
    controller.begin(addresses)
    for _ in range(settings.decisions_per_episode * n_decisions):
        simulation.request(controller.decide(simulation))
        simulation.advance(steps_each)
    return simulation
