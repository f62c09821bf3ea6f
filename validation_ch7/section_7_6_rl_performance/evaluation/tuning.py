"""Tunes the classical controllers: the best parameters of a grid, on tuning scenarios only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from validation_ch7.section_7_6_rl_performance.controllers.families import Family, Limits, Parameters
from validation_ch7.section_7_6_rl_performance.controllers.interface import Controller
from validation_ch7.section_7_6_rl_performance.evaluation.kept_results import KeptResults
from validation_ch7.section_7_6_rl_performance.evaluation.side_by_side import delays_side_by_side
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.model.demand import Split


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """A chosen value at one end of an axis, and whether a natural limit is there."""

    axis: str
    value: float
    low: float
    high: float
    is_limit: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """Results of a family's candidates.

    Attributes:
        family: The family.
        best: Index in the table of the candidate with the least mean delay; the first one of a tie.
        table: Each candidate's parameters with its mean delay per vehicle in s, in the order of the grid.
        n_scenarios: Number of tuning scenarios.
        limits: Natural limits of the parameters at this crossing, see `Family`.
        from_session: The earlier session that measured the table, None for this one.
    """

    family: Family
    best: int
    table: tuple[tuple[Parameters, float], ...]
    n_scenarios: int
    limits: Limits = field(default_factory=dict)
    from_session: str | None = None

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

    @property
    def at_limit(self) -> tuple[str, ...]:
        """Axes whose chosen value is the end of the grid, where a natural limit ends the search."""
        return tuple(end.axis for end in self._ends() if end.is_limit)

    def edge_faults(self) -> tuple[str, ...]:
        """One sentence for each chosen value at the end of the grid without a natural limit; empty if there is none."""
        return tuple(
            f"The tuned {self.family.name} has {end.axis} = {end.value:g}, the end of its grid"
            f" ({end.low:g} to {end.high:g}): a value beyond it may be better, so its delay here may be too long."
            for end in self._ends()
            if not end.is_limit
        )

    def _ends(self) -> Iterator[_End]:
        places = [self.family.axes(tried) for tried, _ in self.table]
        for axis, value in places[self.best].items():
            low, high = min(place[axis] for place in places), max(place[axis] for place in places)
            least, most = self.limits.get(axis, (None, None))
            if low < high and value in (low, high):
                natural = value <= least if value == low and least is not None else False
                natural |= value >= most if value == high and most is not None else False
                yield _End(axis=axis, value=value, low=low, high=high, is_limit=natural)

    def in_short(self) -> dict[str, Any]:
        """Plain JSON: the chosen parameters, and all that were tried."""
        return {
            "parameters": dict(self.chosen),
            "delay_s_per_veh": self.delay_s_per_veh,
            "n_tuning_scenarios": self.n_scenarios,
            "at_limit": list(self.at_limit),
            "edge_faults": list(self.edge_faults()),
            "tried": [{**tried, "delay_s_per_veh": delay_s} for tried, delay_s in self.table],
            **({} if self.from_session is None else {"from_session": self.from_session}),
        }


def tune(
    family: Family, *, environment: Mapping[str, object], n_scenarios: int, kept: KeptResults | None = None
) -> Tuning:
    """Evaluate each candidate on the first tuning scenarios and choose the best.

    Args:
        family: The candidates.
        environment: The `environment` block of a section's card.
        n_scenarios: Number of tuning scenarios.
        kept: Results of earlier sessions; None to measure all.

    Raises:
        ValueError: There is no candidate, or the block is invalid.
    """
    if not family.grid:
        raise ValueError(f"{family.name} has no candidates to choose from")
    what = describe(family, environment, n_scenarios)
    found = None if kept is None else kept.find(what, [("<f8", (len(family.grid),))])
    if kept is not None and found is not None:
        ((delays_s,), session) = found
        means_s, from_session = [float(one) for one in delays_s], session if session != kept.session else None
    else:
        by_candidate_s = delays_side_by_side(
            family.build, family.grid, environment=environment, split=Split.TUNING, n_scenarios=n_scenarios
        )
        means_s, from_session = [float(one.mean()) for one in by_candidate_s], None
        if kept is not None:
            kept.keep(what, [np.array(means_s)])
    table = tuple(zip(family.grid, means_s, strict=True))
    best = min(range(len(table)), key=lambda place: table[place][1])
    limits = family.limits(EnvironmentSettings.from_mapping(environment))
    return Tuning(
        family=family, best=best, table=table, n_scenarios=n_scenarios, limits=limits, from_session=from_session
    )


def describe(family: Family, environment: Mapping[str, object], n_scenarios: int) -> dict[str, Any]:
    """Everything that the results of the candidates depend on, without code and libraries; plain JSON."""
    return {
        "tuned": family.name,
        "grid": [dict(candidate) for candidate in family.grid],
        "environment": dict(environment),
        "n_scenarios": n_scenarios,
    }
