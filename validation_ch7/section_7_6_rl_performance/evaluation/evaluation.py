"""Evaluates a controller, scenario by scenario, with the same scenarios and measures for every controller."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from validation_ch7.section_7_6_rl_performance.controllers.interface import Controller
from validation_ch7.section_7_6_rl_performance.evaluation.neglect import Neglect
from validation_ch7.traffic.crossing.intersection import Intersection
from validation_ch7.traffic.env.reward import reward_of
from validation_ch7.traffic.env.scenarios import Draw, nominal_scenario
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.arz import Floats
from validation_ch7.traffic.model.demand import ScenarioAddress, Split
from validation_ch7.traffic.numba_kernel.constants import N_APPROACHES
from validation_ch7.traffic.signal.two_phase import N_PHASES

# Wider batches do not fit the processor's cache; results do not depend on this.
WIDEST_BATCH = 128

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EvaluationResult:
    """Measures of one controller; all arrays have the scenarios in the same order.

    Attributes:
        controller: Name of the controller.
        split: Split of the scenarios.
        first_index: Index of the first scenario; the others follow.
        crossing: All values of the crossing, by the card's keys.
        arrived_veh: Vehicles that arrived, shape (n,); equal for all controllers.
        delay_s_per_veh: Delay per arrived vehicle, entry queues included, shape (n,), s.
        worst_approach_s_per_veh: Delay up to the stop line per vehicle on the approach with the largest delay,
            shape (n,), s: a good mean can hide one neglected approach.
        mean_queue_veh: Mean number of standing-equivalent vehicles before the stop lines, shape (n,).
        stops_per_veh: Stops on the approaches and before their entries per arrived vehicle, shape (n,).
        throughput: Vehicles that left, divided by vehicles that arrived, shape (n,).
        mean_speed_m_s: Distance over time of all vehicles, time before the entry included, shape (n,), m/s.
        reward_sum: Sum of the environment's rewards, shape (n,).
        n_switches: Phase changes, shape (n,).
        n_forced_switches: Phase changes forced by the maximum green, shape (n,).
        longest_forced_s: Longest time in which at least one vehicle stood on an axis that got green only because the
            maximum green forced it, shape (n,), s; read every `decision_s`.
        action_counts: Number of requests for each phase, shape (n, 2).
    """

    controller: str
    split: Split
    first_index: int
    crossing: Mapping[str, float]
    arrived_veh: Floats
    delay_s_per_veh: Floats
    worst_approach_s_per_veh: Floats
    mean_queue_veh: Floats
    stops_per_veh: Floats
    throughput: Floats
    mean_speed_m_s: Floats
    reward_sum: Floats
    n_switches: Counts
    n_forced_switches: Counts
    longest_forced_s: Floats
    action_counts: Counts

    @property
    def n_scenarios(self) -> int:
        """Number of scenarios."""
        return len(self.delay_s_per_veh)


def evaluate(
    controller: Controller,
    *,
    environment: Mapping[str, object],
    split: Split,
    n_scenarios: int,
    first_index: int = 0,
    draw: Draw = nominal_scenario,
) -> EvaluationResult:
    """Run a controller once in each scenario, from an empty crossing to the end of the episode.

    Args:
        controller: The controller.
        environment: The `environment` block of a section's card.
        split: Split of the scenarios.
        n_scenarios: Number of scenarios.
        first_index: Index of the first one.
        draw: Draws the scenario at an address; a controller that draws scenarios itself has the nominal ones.

    Raises:
        ValueError: The block is invalid, there is no scenario, or the controller's resolution does not divide
            `decision_s`.
    """
    if n_scenarios < 1:
        raise ValueError(f"n_scenarios must be at least 1, not {n_scenarios}")
    settings = EnvironmentSettings.from_mapping(environment)
    measures = _run(controller, settings, addresses_of(split, first_index, n_scenarios), draw)
    return EvaluationResult(
        controller=controller.name, split=split, first_index=first_index, crossing=settings.describe(), **measures
    )


def evaluate_splits(
    controller: Controller, *, environment: Mapping[str, object], sizes: Mapping[Split, int]
) -> dict[Split, EvaluationResult]:
    """Evaluate on the first scenarios of several splits at once; equal to `evaluate` on each, and faster.

    Args:
        controller: The controller.
        environment: The `environment` block of a section's card.
        sizes: Split -> its number of scenarios.
    """
    settings = EnvironmentSettings.from_mapping(environment)
    addresses = [address for split, size in sizes.items() for address in addresses_of(split, 0, size)]
    measures = _run(controller, settings, addresses, nominal_scenario)
    results, first = {}, 0
    for split, size in sizes.items():
        own = {name: values[first : first + size] for name, values in measures.items()}
        results[split] = EvaluationResult(
            controller=controller.name, split=split, first_index=0, crossing=settings.describe(), **own
        )
        first += size
    return results


def measure_names() -> tuple[str, ...]:
    """Field names of the per-scenario arrays of a result."""
    labels = {"controller", "split", "first_index", "crossing"}
    return tuple(field.name for field in fields(EvaluationResult) if field.name not in labels)


def result_shapes(n_scenarios: int) -> list[tuple[str, tuple[int, ...]]]:
    """Type and shape of each array of a result, in the order of `measure_names`."""
    kinds = {"n_switches": "<i8", "n_forced_switches": "<i8", "action_counts": "<i8"}
    wide = {"action_counts": (n_scenarios, N_PHASES)}
    return [(kinds.get(name, "<f8"), wide.get(name, (n_scenarios,))) for name in measure_names()]


def arrays_of(result: EvaluationResult) -> list[npt.NDArray[Any]]:
    """The arrays of a result, in the order of `measure_names`."""
    return [getattr(result, name) for name in measure_names()]


def result_of_arrays(
    arrays: Sequence[npt.NDArray[Any]],
    *,
    controller: str,
    split: Split,
    environment: Mapping[str, object],
) -> EvaluationResult:
    """The result with these arrays, whose first scenario is the first of its split; the inverse of `arrays_of`."""
    crossing = EnvironmentSettings.from_mapping(environment).describe()
    named = dict(zip(measure_names(), arrays, strict=True))
    return EvaluationResult(controller=controller, split=split, first_index=0, crossing=crossing, **named)


def addresses_of(split: Split, first_index: int, n_scenarios: int) -> list[ScenarioAddress]:
    """The addresses of consecutive scenarios of a split."""
    return [ScenarioAddress(split=split, index=first_index + place) for place in range(n_scenarios)]


def batches_of(addresses: list[ScenarioAddress]) -> Iterator[list[ScenarioAddress]]:
    """The addresses in batches of a good width, all about equally wide."""
    width = math.ceil(len(addresses) / math.ceil(len(addresses) / WIDEST_BATCH))
    for start in range(0, len(addresses), width):
        yield addresses[start : start + width]


def _run(
    controller: Controller, settings: EnvironmentSettings, addresses: list[ScenarioAddress], draw: Draw
) -> dict[str, npt.NDArray[Any]]:
    parts = [_run_batch(controller, settings, few, draw) for few in batches_of(addresses)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _run_batch(
    controller: Controller, settings: EnvironmentSettings, addresses: list[ScenarioAddress], draw: Draw
) -> dict[str, npt.NDArray[np.generic]]:
    n_decisions, steps_each = decisions_of(controller, settings)
    simulation = new_simulation(settings, addresses, draw, counts_stops=True)
    controller.begin(addresses)
    reward_sum = np.zeros(len(addresses))
    action_counts = np.zeros((len(addresses), N_PHASES), dtype=np.int64)
    every_scenario = np.arange(len(addresses))
    neglect = Neglect(len(addresses), settings.decision_s)
    for _ in range(settings.decisions_per_episode):
        before_veh_s = simulation.traffic.delay_veh_s()
        neglect.look(simulation)
        for _ in range(n_decisions):
            phases = controller.decide(simulation)
            action_counts[every_scenario, phases] += 1
            simulation.request(phases)
            simulation.advance(steps_each)
        reward_sum += reward_of(simulation.traffic.delay_veh_s() - before_veh_s, settings.decision_s)
    counted = {"longest_forced_s": neglect.longest_s(), "action_counts": action_counts}
    return _measures(simulation) | {"reward_sum": reward_sum, **counted}


def new_simulation(
    settings: EnvironmentSettings, addresses: list[ScenarioAddress], draw: Draw, *, counts_stops: bool
) -> CrossingSimulation:
    """The simulation at its start; scenarios at equal addresses are drawn once."""
    drawn = {address: draw(address, settings) for address in dict.fromkeys(addresses)}
    return CrossingSimulation(settings, [drawn[address] for address in addresses], counts_stops=counts_stops)


def decisions_of(controller: Controller, settings: EnvironmentSettings) -> tuple[int, int]:
    """Number of the controller's decisions within `decision_s`, and solver steps of each."""
    steps_each = settings.steps_in(controller.resolution_s)
    n_decisions, rest = divmod(settings.steps("decision_s"), steps_each)
    if n_decisions < 1 or rest:
        raise ValueError(
            f"{controller.name} decides every {controller.resolution_s} s, which does not divide"
            f" decision_s = {settings.decision_s}"
        )
    return n_decisions, steps_each


def _measures(simulation: CrossingSimulation) -> dict[str, npt.NDArray[np.generic]]:
    traffic, signal = simulation.traffic, simulation.signal
    # Avoids 0 / 0 in a scenario without any vehicle.
    arrived_veh = traffic.total_arrived_veh()
    arrived = np.maximum(arrived_veh, 1.0)
    time_veh_s = traffic.total_time_veh_s()
    speed = np.full_like(time_veh_s, traffic.parameters.vf_m_s)
    np.divide(traffic.total_distance_veh_m(), time_veh_s, out=speed, where=time_veh_s > 0.0)
    return {
        "arrived_veh": arrived_veh,
        "delay_s_per_veh": traffic.delay_veh_s() / arrived,
        "worst_approach_s_per_veh": _approach_delay_s(traffic).max(axis=0),
        "mean_queue_veh": traffic.approach_delay_veh_s() / simulation.settings.episode_s,
        "stops_per_veh": traffic.stops.stops_veh.reshape(N_APPROACHES, -1).sum(axis=0) / arrived,
        "throughput": traffic.total_served_veh() / arrived,
        "mean_speed_m_s": speed,
        "n_switches": signal.n_switches.copy(),
        "n_forced_switches": signal.n_forced_switches.copy(),
    }


def _approach_delay_s(traffic: Intersection) -> Floats:
    """Delay up to the stop line per vehicle that arrived at the approach, shape (4, batch), s."""
    lanes = N_APPROACHES * traffic.batch
    driving_veh_s = traffic.time_veh_s[:lanes] - traffic.distance_veh_m[:lanes] / traffic.parameters.vf_m_s
    delay_s: Floats = (driving_veh_s + traffic.queue_time_veh_s) / np.maximum(traffic.arrived_veh, 1.0)
    return delay_s.reshape(N_APPROACHES, traffic.batch)
