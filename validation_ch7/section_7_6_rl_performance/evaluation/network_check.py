"""Finds a network that is blind in heavy traffic: the units of a layer keep their values whatever the policy sees.

Units beyond saturation (tanh) or dead units (ReLU) cause this. The signal then freezes when the queues are long.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from stable_baselines3.common.policies import BasePolicy

from validation_ch7.section_7_6_rl_performance.controllers.interface import Controller
from validation_ch7.section_7_6_rl_performance.evaluation.activations import Activations
from validation_ch7.section_7_6_rl_performance.evaluation.evaluation import EvaluationResult
from validation_ch7.traffic.env.detectors import standing_veh
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.arz import Floats
from validation_ch7.traffic.model.demand import ScenarioAddress, draw_scenarios

_WORST_HOURS = 8
_OTHER_HOURS = 8
_HEAVY_S = 600.0
# Of the range that a feature of the input, or a unit, has in all of the hours.
_LEAST_VARIETY = 0.25
_ONE_LEVEL = 0.01
_LEVELS_OF_A_SWITCH = 2
# In trained networks at least half of the units of each layer respond.
_LEAST_RESPONDING = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkCheck:
    """What the hidden layers do in the ten minutes of an hour in which most vehicles stand.

    Attributes:
        responding: Layer -> least share of its units that respond in these minutes, over the hours.
        faults: Why the network is blind, one sentence each; empty if it is not.
        without: Why the check does not apply; empty if it does.
    """

    responding: Mapping[str, float]
    faults: tuple[str, ...] = ()
    without: str = ""

    def in_short(self) -> dict[str, object]:
        """Plain JSON."""
        return {
            "responding_share": dict(self.responding),
            **({"does_not_apply": self.without} if self.without else {}),
        }


def check_network(
    policy: BasePolicy, controller: Controller, result: EvaluationResult, environment: Mapping[str, object]
) -> NetworkCheck:
    """Drive some hours of a result again, the worst ones among them, and watch the network.

    Args:
        policy: The network.
        controller: The controller that acts by it.
        result: Its result.
        environment: The `environment` block of a section's card.
    """
    settings = EnvironmentSettings.from_mapping(environment)
    hours = _hours(result)
    seen, standing = _drive(
        policy, controller, settings, [ScenarioAddress(split=result.split, index=int(one)) for one in hours]
    )
    if not seen.layers:
        return NetworkCheck(responding={}, without="the policy's network has no activations that can be recorded")
    n_heavy = min(settings.decisions_per_episode, max(2, round(_HEAVY_S / settings.decision_s)))
    heavy = np.argsort(-standing, axis=0, kind="stable")[:n_heavy]
    varied = _varied(np.stack(seen.inputs), heavy)
    if not varied:
        return NetworkCheck(responding={}, without="the observations hardly differ in heavy traffic")
    shares = {name: _responding(np.stack(answers), heavy, varied) for name, answers in seen.layers.items()}
    return NetworkCheck(
        responding={name: float(of_layer.min()) for name, of_layer in shares.items()},
        faults=tuple(_faults(shares, hours[varied])),
    )


def _faults(shares: Mapping[str, Floats], hours: npt.NDArray[np.int64]) -> Iterator[str]:
    for name, of_layer in shares.items():
        blind = of_layer < _LEAST_RESPONDING
        if blind.any():
            yield (
                f"The network is blind in heavy traffic: in the {_HEAVY_S / 60:.0f} minutes of scenario"
                f" {hours[int(of_layer.argmin())]} with the longest queues only {100.0 * of_layer.min():.0f} % of the"
                f" units of the layer {name} respond to what it sees, in {int(blind.sum())} of {len(hours)} scenarios"
                " that were watched: its units are saturated or dead."
            )


def _hours(result: EvaluationResult) -> npt.NDArray[np.int64]:
    """Scenarios with the most delay, and others spread evenly over the rest, by their delay."""
    by_delay = np.argsort(-result.delay_s_per_veh, kind="stable")
    n_rest = max(0, len(by_delay) - _WORST_HOURS)
    others = np.unique(np.linspace(_WORST_HOURS, len(by_delay) - 1, min(n_rest, _OTHER_HOURS)).round().astype(np.int64))
    return np.concatenate((by_delay[:_WORST_HOURS], by_delay[others])) + result.first_index


def _drive(
    policy: BasePolicy, controller: Controller, settings: EnvironmentSettings, addresses: Sequence[ScenarioAddress]
) -> tuple[Activations, Floats]:
    """What the network did, and the standing vehicles at each decision, shape (decisions, scenarios)."""
    scenarios = draw_scenarios(addresses, episode_s=settings.episode_s, vf_m_s=settings.traffic.vf_m_s)
    simulation = CrossingSimulation(settings, scenarios)
    controller.begin(addresses)
    seen, standing = Activations(), []
    with seen.recording(policy):
        for _ in range(settings.decisions_per_episode):
            standing.append(standing_veh(simulation).sum(axis=1))
            simulation.request(controller.decide(simulation))
            seen.next_decision(len(addresses))
            simulation.advance(settings.steps("decision_s"))
    return seen, np.stack(standing)


def _responding(answers: Floats, heavy: npt.NDArray[np.int64], hours: Sequence[int]) -> Floats:
    """Share of a layer's units that respond in the heavy minutes of each hour, shape (hours,).

    A unit does not respond if two levels are enough for all of its values: one that it keeps, or two between which a
    saturated unit jumps with the phase. Values of one level differ by at most 1 % of the unit's range in all hours.

    Args:
        answers: Its activations, shape (decisions, hours, units).
        heavy: Decisions of the heavy minutes, shape (n, hours).
        hours: The hours to judge.
    """
    level = _ONE_LEVEL * np.ptp(answers, axis=(0, 1))
    shares = []
    for hour in hours:
        values = answers[heavy[:, hour], hour]
        left = np.ones(values.shape, dtype=np.bool_)
        for _ in range(_LEVELS_OF_A_SWITCH):
            lowest = np.where(left, values, np.inf).min(axis=0)
            left &= values > lowest + level
        shares.append(left.any(axis=0).mean())
    return np.array(shares)


def _varied(inputs: Floats, heavy: npt.NDArray[np.int64]) -> list[int]:
    """The hours in which some feature of the input covers much of its range in the heavy minutes."""
    whole = np.ptp(inputs, axis=(0, 1))
    parts = [np.ptp(inputs[heavy[:, hour], hour], axis=0) for hour in range(inputs.shape[1])]
    return [hour for hour, part in enumerate(parts) if ((part > 0.0) & (part >= _LEAST_VARIETY * whole)).any()]
