"""Chooses the scenario, the minutes and the approach of the figures by a fixed rule, so that none is hand-picked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from validation_ch7.section_7_6_rl_performance.controllers.interface import Controller
from validation_ch7.section_7_6_rl_performance.evaluation.evaluation import EvaluationResult
from validation_ch7.section_7_6_rl_performance.figures.recording import Trace, record
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.model.demand import ScenarioAddress


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """One scenario under the two controllers of the side-by-side figures.

    Attributes:
        policy: Recording of the learned policy.
        other: Recording of the other controller.
    """

    policy: Trace
    other: Trace

    @property
    def title(self) -> str:
        """Description of the scenario for figure titles."""
        address = self.policy.address
        return f"{address.split.name.lower()} scenario {address.index} (median difference between the two)"

    def busiest_span(self, length_s: float) -> slice:
        """The interval of this length in which most vehicles arrive, as steps; all steps if there are fewer."""
        trace = self.policy
        length = min(trace.n_steps, trace.settings.steps_in(length_s))
        arrived_veh = trace.arrived_veh.sum(axis=1)
        start = int(np.argmax(arrived_veh[length:] - arrived_veh[:-length]))
        return slice(start, start + length)

    def busiest_approach(self, span: slice) -> int:
        """The approach at which most vehicles arrive within an interval."""
        arrived_veh = self.policy.arrived_veh
        return int(np.argmax(arrived_veh[span.stop] - arrived_veh[span.start]))


def median_place(policy: EvaluationResult, other: EvaluationResult) -> int:
    """Index of the scenario with the median difference of delays; the lower of two medians, the first of a tie.

    Results that cannot be compared, as in an invalid comparison, give the first scenario.
    """
    if policy.n_scenarios != other.n_scenarios:
        return 0
    difference_s = policy.delay_s_per_veh - other.delay_s_per_veh
    if not np.isfinite(difference_s).all():
        return 0
    order = np.argsort(difference_s, kind="stable")
    return int(order[(len(order) - 1) // 2])


def record_scene(
    policy: tuple[EvaluationResult, Controller],
    other: tuple[EvaluationResult, Controller],
    *,
    settings: EnvironmentSettings,
) -> Scene:
    """Record both controllers in the scenario with the median difference of their delays.

    Args:
        policy: The learned policy's result, and its controller.
        other: The other controller's result, and the controller.
        settings: The crossing.
    """
    result = policy[0]
    place = median_place(result, other[0])
    address = ScenarioAddress(split=result.split, index=result.first_index + place)
    first, second = (record(controller, settings=settings, address=address) for _, controller in (policy, other))
    return Scene(policy=first, other=second)
