"""Which scenario, which minutes and which approach the pictures show: chosen by rule, never by what looks best."""

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
    """One scenario under the two controllers that the pictures put side by side.

    Attributes:
        policy: The learned policy.
        other: What it is set beside.
    """

    policy: Trace
    other: Trace

    @property
    def told(self) -> str:
        """Which scenario it is, for titles."""
        address = self.policy.address
        return f"{address.split.name.lower()} scenario {address.index} (median difference between the two)"

    def busiest_span(self, length_s: float) -> slice:
        """The steps in which most vehicles arrive, the same for both; all steps where there are fewer."""
        trace = self.policy
        length = min(trace.n_steps, trace.settings.steps_in(length_s))
        arrived_veh = trace.arrived_veh.sum(axis=1)
        start = int(np.argmax(arrived_veh[length:] - arrived_veh[:-length]))
        return slice(start, start + length)

    def busiest_approach(self, span: slice) -> int:
        """The approach at which most vehicles arrive within a span."""
        arrived_veh = self.policy.arrived_veh
        return int(np.argmax(arrived_veh[span.stop] - arrived_veh[span.start]))


def median_place(policy: EvaluationResult, other: EvaluationResult) -> int:
    """Where the scenario with the median difference of delays stands; the lower one of two, the first of equals.

    What cannot be told apart, as in an invalid comparison, gives the first scenario.
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
    """Run both controllers through the scenario in which they differ as they do in the median.

    Args:
        policy: The learned policy's hours, and itself.
        other: The same of what it is set beside.
        settings: The crossing.
    """
    hours = policy[0]
    place = median_place(hours, other[0])
    address = ScenarioAddress(split=hours.split, index=hours.first_index + place)
    ours, theirs = (record(controller, settings=settings, address=address) for _, controller in (policy, other))
    return Scene(policy=ours, other=theirs)
