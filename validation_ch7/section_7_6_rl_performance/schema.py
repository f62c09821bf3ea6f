"""The section's own keys of its card: `environment` and `criteria`. Standard library only.

The orchestrator reads this file by its path when it reads the card; the session uses the same classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Literal

FREE_SPEED_M_S, LINK_LENGTH_M, ARRIVAL_BIN_S = 13.89, 300.0, 10.0
"""Constants of the traffic model that limit a card's values; a test compares them with the model's own."""

_MAY_BE_ZERO = frozenset({"all_red_s", "yellow_used_s", "start_up_lost_s"})

_POSITIVE = {"json_schema": {"exclusiveMinimum": 0}}
_NOT_NEGATIVE = {"json_schema": {"minimum": 0}}
"""Limits for the JSON Schema of the card; the checks below are those that count."""

_VERIFY_EPISODE_S = 600.0


Ends = tuple[float, float]
"""Lower and upper end of a range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingDemand:
    """Ranges of the training demand; those that are left out are the test's. See `DemandRanges` of the model."""

    base_veh_h: Ends | None = None
    peak_veh_h: Ends | None = None
    direction_factor: Ends | None = None

    def __post_init__(self) -> None:
        for name, ends in asdict(self).items():
            if ends is not None and not 0.0 <= ends[0] <= ends[1] < float("inf"):
                raise ValueError(f"{name} must be two numbers from 0 on, the smaller one first, not {list(ends)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAheadReward:
    """The reward: what a decision saves against the other one, predicted with the model over actuated control.

    Attributes:
        gap_s: Longest headway of actuated control in s.
        max_green_s: Its longest green in s.
        delays_s: Plans: the time until the change in s, from 0 on.
        horizon_s: Length of the prediction in s.
        memory_s: How far back the mean of the arrivals goes, in s.
        backlog_weight: Cost of the squared vehicles left on each approach at the end, in s/veh.
        fairness_weight: Cost of the squared mean delay of each approach, times its vehicles, in 1/s.
        unit_veh_s: Unit of the reward in vehicle-seconds. The loss is quadratic below one unit and linear above.
        every: Each crossing is predicted at every so many decisions; the others teach nothing.
    """

    gap_s: float = field(default=1.5, metadata=_POSITIVE)
    max_green_s: float = field(default=60.0, metadata=_POSITIVE)
    delays_s: tuple[float, ...] = (0.0, 3.0, 6.0, 12.0)
    horizon_s: float = field(default=120.0, metadata=_POSITIVE)
    memory_s: float = field(default=240.0, metadata=_POSITIVE)
    backlog_weight: float = field(default=0.3, metadata=_NOT_NEGATIVE)
    fairness_weight: float = field(default=0.0, metadata=_NOT_NEGATIVE)
    unit_veh_s: float = field(default=10.0, metadata=_POSITIVE)
    every: int = field(default=3, metadata={"json_schema": {"minimum": 1}})

    def __post_init__(self) -> None:
        faults = [
            f"{name} must be above 0 and finite, not {getattr(self, name)}"
            for name in ("gap_s", "max_green_s", "horizon_s", "memory_s", "unit_veh_s", "every")
            if not 0.0 < getattr(self, name) < float("inf")
        ]
        faults += [
            f"{name} must not be negative, and must be finite, not {getattr(self, name)}"
            for name in ("backlog_weight", "fairness_weight")
            if not 0.0 <= getattr(self, name) < float("inf")
        ]
        if len(self.delays_s) < 2 or self.delays_s[0] != 0.0 or not all(0.0 < one < 1e6 for one in self.delays_s[1:]):
            faults.append(f"delays_s must be 0 and at least one longer time, not {list(self.delays_s)}")
        if faults:
            raise ValueError("\n".join(faults))


@dataclass(frozen=True, slots=True, kw_only=True)
class Learning:
    """What only a policy and its training use.

    Attributes:
        observation: `detectors`: 15 numbers, and the action is the phase. `profile`: 63 numbers along the approaches,
            the green axis first, and action 1 changes the phase.
        demand: The training demand; default: the test's.
        look_ahead: The reward; default: `-sqrt(delay rate) / 4`.
    """

    observation: Literal["detectors", "profile"] = "detectors"
    demand: TrainingDemand | None = None
    look_ahead: LookAheadReward | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """One signalised crossing: lengths in m, times in s, speeds in m/s, densities in veh/m."""

    decision_s: float = field(metadata=_POSITIVE)
    min_green_s: float = field(metadata=_POSITIVE)
    yellow_s: float = field(metadata=_POSITIVE)
    all_red_s: float = field(metadata=_NOT_NEGATIVE)
    yellow_used_s: float = field(metadata=_NOT_NEGATIVE)
    start_up_lost_s: float = field(metadata=_NOT_NEGATIVE)
    max_green_s: float = field(metadata=_POSITIVE)
    episode_s: float = field(metadata=_POSITIVE)
    dx_m: float = field(metadata=_POSITIVE)
    dt_s: float = field(metadata=_POSITIVE)
    learning: Learning | None = None

    def __post_init__(self) -> None:
        faults = [
            f"{name} must be above 0 and finite, not {value}"
            for name, value in self._numbers.items()
            if not ((value >= 0.0 if name in _MAY_BE_ZERO else value > 0.0) and value < float("inf"))
        ]
        faults = faults or list(self._misfits())  # the second part divides by the values
        if faults:
            raise ValueError("\n".join(faults))

    @property
    def _numbers(self) -> dict[str, float]:
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name != "learning"}

    def _misfits(self) -> Iterator[str]:
        """Values that do not fit together."""
        largest_dt_s = self.dx_m / FREE_SPEED_M_S
        if self.dt_s > largest_dt_s:
            yield f"dt_s must not exceed dx_m / {FREE_SPEED_M_S} m/s = {largest_dt_s:.4g} s (CFL), not {self.dt_s}"
        for name, value in self._numbers.items():
            if name not in ("dx_m", "dt_s") and value > 0.0:
                yield from _no_multiple(name, value, "dt_s", self.dt_s)
        yield from _no_multiple("episode_s", self.episode_s, "decision_s", self.decision_s)
        yield from _no_multiple("the arrival bin of 10 s", ARRIVAL_BIN_S, "dt_s", self.dt_s)
        yield from _no_multiple("the link length of 300 m", LINK_LENGTH_M, "dx_m", self.dx_m)
        if self.min_green_s > self.max_green_s:
            yield f"min_green_s must not exceed max_green_s, but {self.min_green_s} > {self.max_green_s}"
        if self.yellow_used_s > self.yellow_s:
            yield f"yellow_used_s must not exceed yellow_s, but {self.yellow_used_s} > {self.yellow_s}"
        if self.start_up_lost_s >= self.min_green_s:
            yield f"start_up_lost_s must be below min_green_s, but {self.start_up_lost_s} is not"


HARDEST_PCT = 5.0
"""Share of the scenarios that count as the hardest, unless the card says another, percent."""

_REDUCTION = {"json_schema": {"minimum": -100, "exclusiveMaximum": 100}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """The section's claim, fixed before it runs. Criteria of the tail that are left out are not judged.

    Attributes:
        baseline: Classical controller that the policy must beat.
        min_delay_reduction_pct: Smallest reduction of the mean delay per vehicle, percent.
        min_trainings: Trainings with different seeds that a claim needs; with fewer it is inconclusive. One training
            only judges its own policy.
        max_delay_ratio: Largest delay in any scenario, divided by the baseline's delay in the same scenario.
        min_hardest_reduction_pct: Smallest reduction of the mean delay in the hardest scenarios, percent; 0 means not
            worse.
        hardest_pct: Share of the scenarios that are the hardest, by the baseline's delay, percent; default 5.
        min_worst_approach_reduction_pct: Smallest reduction of the mean delay at the worst approach, percent.
        min_better_pct: Smallest share of the scenarios in which the policy has less delay, percent.
    """

    baseline: Literal["fixed_time", "webster", "actuated", "max_pressure", "longest_queue", "sotl", "rollout"]
    min_delay_reduction_pct: float = field(metadata={"json_schema": {"minimum": 0, "exclusiveMaximum": 100}})
    min_trainings: int = field(metadata={"json_schema": {"minimum": 1}})
    max_delay_ratio: float | None = field(default=None, metadata=_POSITIVE)
    min_hardest_reduction_pct: float | None = field(default=None, metadata=_REDUCTION)
    hardest_pct: float | None = field(default=None, metadata={"json_schema": {"exclusiveMinimum": 0, "maximum": 100}})
    min_worst_approach_reduction_pct: float | None = field(default=None, metadata=_REDUCTION)
    min_better_pct: float | None = field(default=None, metadata={"json_schema": {"minimum": 0, "maximum": 100}})

    def __post_init__(self) -> None:
        faults = []
        if not 0.0 <= self.min_delay_reduction_pct < 100.0:
            faults.append(f"min_delay_reduction_pct must lie in [0, 100), not {self.min_delay_reduction_pct}")
        if self.min_trainings < 1:
            faults.append(f"min_trainings must be above 0, not {self.min_trainings}")
        faults += self._tail_faults()
        if faults:
            raise ValueError("\n".join(faults))

    def _tail_faults(self) -> Iterator[str]:
        if self.max_delay_ratio is not None and not 0.0 < self.max_delay_ratio < float("inf"):
            yield f"max_delay_ratio must be above 0 and finite, not {self.max_delay_ratio}"
        for name in ("min_hardest_reduction_pct", "min_worst_approach_reduction_pct"):
            value = getattr(self, name)
            if value is not None and not -100.0 <= value < 100.0:
                yield f"{name} must lie in [-100, 100), not {value}"
        if self.hardest_pct is not None and not 0.0 < self.hardest_pct <= 100.0:
            yield f"hardest_pct must lie in (0, 100], not {self.hardest_pct}"
        if self.hardest_pct is not None and self.min_hardest_reduction_pct is None:
            yield "hardest_pct has no effect without min_hardest_reduction_pct: give both, or neither"
        if self.min_better_pct is not None and not 0.0 <= self.min_better_pct <= 100.0:
            yield f"min_better_pct must lie in [0, 100], not {self.min_better_pct}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The section's own keys."""

    environment: Crossing
    criteria: Criteria

    def shortened(self) -> Schema:
        """The same section with short episodes, for `orchestrator verify`."""
        return replace(self, environment=replace(self.environment, episode_s=_VERIFY_EPISODE_S))


def _no_multiple(name: str, value: float, unit_name: str, unit: float) -> Iterator[str]:
    count = round(value / unit)
    if count < 1 or abs(count * unit - value) > 1e-9 * value:
        yield f"{name} must be a multiple of {unit_name} = {unit}, not {value}"
