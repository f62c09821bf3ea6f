"""The measured delays of each controller in both simulators, and whether the two agree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from validation_ch7.section_7_6_rl_performance.verdict.statistics import (
    Bootstrap,
    Estimate,
    mean_estimate,
    probability_of_improvement,
    reduction_pct,
)
from validation_ch7.traffic.model.arz import Floats

COMPARED = ("fixed_time", "actuated", "max_pressure")
"""Controllers on which the two simulators must agree."""

AGREEMENT_PCT = 15.0
"""Largest difference of a mean delay, in percent of ours."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Delays:
    """Delays of one controller in one simulator, per arrived vehicle in s, one number per scenario.

    Attributes:
        total_s: Time beyond free driving and time before the entry, shape (n,).
        before_s: The part before the stop lines, shape (n,).
        time_loss_s: SUMO's own `departDelay + timeLoss`, shape (n,); None in this project's model.
    """

    total_s: Floats
    before_s: Floats
    time_loss_s: Floats | None = None

    @property
    def after_s(self) -> Floats:
        """The part after the stop lines, shape (n,)."""
        return np.subtract(self.total_s, self.before_s)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Row:
    """One controller.

    Attributes:
        name: Its name.
        sumo: Delays in SUMO.
        ours: Delays in this project's model; None for SUMO's own programme.
    """

    name: str
    sumo: Delays
    ours: Delays | None = None

    @property
    def _bootstrap(self) -> Bootstrap:
        return Bootstrap(n_scenarios=len(self.sumo.total_s), seed=0)

    def mean(self, values: Floats) -> Estimate:
        """Mean over the scenarios with its 95 % interval."""
        return mean_estimate(values, self._bootstrap)

    def difference_pct(self, part: Callable[[Delays], Floats] = lambda delays: delays.total_s) -> Estimate | None:
        """How much larger a mean is in SUMO, in percent of ours; None for SUMO's own programme.

        Args:
            part: The compared delays; all of them by default.
        """
        if self.ours is None:
            return None
        less = reduction_pct(part(self.sumo), part(self.ours), self._bootstrap)
        return Estimate(value=-less.value, low=-less.high, high=-less.low)

    def less_than_pct(self, other: Row, *, in_sumo: bool) -> Estimate:
        """Reduction of the mean delay against another controller in the same simulator, in percent."""
        mine, theirs = _pair(self, other, in_sumo)
        return reduction_pct(mine, theirs, self._bootstrap)

    def better_share(self, other: Row, *, in_sumo: bool) -> float:
        """Share of scenarios with less delay than another controller has in the same simulator."""
        return probability_of_improvement(*_pair(self, other, in_sumo))


def _pair(row: Row, other: Row, in_sumo: bool) -> tuple[Floats, Floats]:
    if in_sumo:
        return row.sumo.total_s, other.sumo.total_s
    if row.ours is None or other.ours is None:
        raise ValueError(f"{row.name} and {other.name} were not both measured in this project's model")
    return row.ours.total_s, other.ours.total_s


def order(rows: Iterable[Row], *, in_sumo: bool) -> list[str]:
    """Names of the compared controllers by their mean delay in one simulator, least first."""
    means = {}
    for row in rows:
        delays = row.sumo if in_sumo else row.ours
        if row.name in COMPARED and delays is not None:
            means[row.name] = float(delays.total_s.mean())
    return sorted(means, key=lambda name: means[name])


def disagreements(rows: Sequence[Row]) -> list[str]:
    """What the two simulators disagree on, one sentence each; none if they agree."""
    found = []
    for row in rows:
        difference = row.difference_pct()
        if row.name in COMPARED and difference is not None and not abs(difference.value) <= AGREEMENT_PCT:
            found.append(f"{row.name}: {difference.value:+.1f} % in SUMO, more than {AGREEMENT_PCT:g} %")
    ours, sumo = order(rows, in_sumo=False), order(rows, in_sumo=True)
    if ours != sumo:
        found.append(f"the order is {' < '.join(ours)} here and {' < '.join(sumo)} in SUMO")
    return found
