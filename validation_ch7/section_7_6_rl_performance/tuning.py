"""Choosing the fixed-time plan that a learned policy has to beat: the best of a grid, on tuning scenarios only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from validation_ch7.section_7_6_rl_performance.controllers import FixedTimeController
from validation_ch7.section_7_6_rl_performance.evaluation import evaluate
from validation_ch7.traffic.demand import Split


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedTimePlan:
    """Greens of a plan.

    Attributes:
        green_ns_s: Green for north-south in s.
        green_ew_s: Green for east-west in s.
    """

    green_ns_s: float
    green_ew_s: float

    def controller(self) -> FixedTimeController:
        """The controller that runs this plan."""
        return FixedTimeController(self.green_ns_s, self.green_ew_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """How the plans of a grid did.

    Attributes:
        best: The plan with the least mean delay; the first of equals.
        table: Each plan with its mean delay per vehicle in s, in the order of the grid.
        n_scenarios: On how many tuning scenarios.
    """

    best: FixedTimePlan
    table: tuple[tuple[FixedTimePlan, float], ...]
    n_scenarios: int


# Short cycles lose capacity to change intervals, long ones make everybody wait: the best plan lies inside. The
# demand is drawn alike for both axes, so the two uneven plans are there to show that the grid would notice.
PLANS = tuple(
    FixedTimePlan(green_ns_s=float(ns), green_ew_s=float(ew))
    for ns, ew in ((14, 14), (18, 18), (22, 22), (24, 24), (26, 26), (30, 30), (36, 36), (28, 20), (20, 28))
)


def tune_fixed_time(
    *, environment: Mapping[str, object], n_scenarios: int, plans: Sequence[FixedTimePlan] = PLANS
) -> Tuning:
    """Evaluate each plan on the first tuning scenarios and keep the best.

    Args:
        environment: The `environment` block of a section's card.
        n_scenarios: How many tuning scenarios.
        plans: The grid.

    Raises:
        ValueError: There is no plan, or the block does not fit.
    """
    if not plans:
        raise ValueError("there is no plan to choose from")
    table = tuple((plan, _mean_delay_s(plan, environment, n_scenarios)) for plan in plans)
    best, _ = min(table, key=lambda row: row[1])
    return Tuning(best=best, table=table, n_scenarios=n_scenarios)


def _mean_delay_s(plan: FixedTimePlan, environment: Mapping[str, object], n_scenarios: int) -> float:
    result = evaluate(plan.controller(), environment=environment, split=Split.TUNING, n_scenarios=n_scenarios)
    return float(result.delay_s_per_veh.mean())
