"""Tunes the classical controllers: the best parameters of a grid, on tuning scenarios only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from validation_ch7.section_7_6_rl_performance.controllers.families import Family, Parameters
from validation_ch7.section_7_6_rl_performance.controllers.interface import Controller
from validation_ch7.section_7_6_rl_performance.evaluation.evaluation import evaluate
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.model.demand import Split


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """Results of a family's candidates.

    Attributes:
        family: The family.
        best: Index in the table of the candidate with the least mean delay; the first one of a tie.
        table: Each candidate's parameters with its mean delay per vehicle in s, in the order of the grid.
        n_scenarios: Number of tuning scenarios.
    """

    family: Family
    best: int
    table: tuple[tuple[Parameters, float], ...]
    n_scenarios: int

    @property
    def chosen(self) -> Parameters:
        """Parameters of the best candidate."""
        return self.table[self.best][0]

    @property
    def delay_s_per_veh(self) -> float:
        """Mean delay of the best candidate on the tuning scenarios, in s."""
        return self.table[self.best][1]

    def controller(self, settings: EnvironmentSettings) -> Controller:
        """Build the best controller of the family."""
        return self.family.build(settings, self.chosen)

    def in_short(self) -> dict[str, Any]:
        """Plain JSON: the chosen parameters, and all that were tried."""
        return {
            "parameters": dict(self.chosen),
            "delay_s_per_veh": self.delay_s_per_veh,
            "n_tuning_scenarios": self.n_scenarios,
            "tried": [{**tried, "delay_s_per_veh": delay_s} for tried, delay_s in self.table],
        }


def tune(family: Family, *, environment: Mapping[str, object], n_scenarios: int) -> Tuning:
    """Evaluate each candidate on the first tuning scenarios and choose the best.

    Args:
        family: The candidates.
        environment: The `environment` block of a section's card.
        n_scenarios: Number of tuning scenarios.

    Raises:
        ValueError: There is no candidate, or the block is invalid.
    """
    if not family.grid:
        raise ValueError(f"{family.name} has no candidates to choose from")
    settings = EnvironmentSettings.from_mapping(environment)

    def mean_delay_s(candidate: Parameters) -> float:
        controller = family.build(settings, candidate)
        result = evaluate(controller, environment=environment, split=Split.TUNING, n_scenarios=n_scenarios)
        return float(result.delay_s_per_veh.mean())

    table = tuple((candidate, mean_delay_s(candidate)) for candidate in family.grid)
    best = min(range(len(table)), key=lambda place: table[place][1])
    return Tuning(family=family, best=best, table=table, n_scenarios=n_scenarios)
