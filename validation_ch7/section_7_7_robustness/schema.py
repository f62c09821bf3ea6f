"""The section's own keys of its card. Standard library only.

The orchestrator reads this file by its path when it reads the card; the session uses the same classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field

FREE_SPEED_M_S, LINK_LENGTH_M, ARRIVAL_BIN_S = 13.89, 300.0, 10.0
"""Constants of the traffic model that limit a card's values; a test compares them with the model's own."""

MOST_SEVERE: Mapping[str, float] = {
    "heavier_demand": 2.0,
    "uneven_demand": 0.7,
    "driver_mix": 0.7,
    "detector_noise": 2.0,
    "detector_dead": 1.0,
    "detector_stuck": 1.0,
    "lane_blocked": 1.0,
}
"""The families of conditions, each with its largest severity; their units are in `conditions/`."""

NOMINAL = "nominal"
"""Name of the condition without any change."""
BASELINE = "actuated"
"""The controller that the policies are compared with."""

_PROFILES = ("quick", "full")
_MAY_BE_ZERO = frozenset({"all_red_s", "yellow_used_s", "start_up_lost_s"})
_POSITIVE = {"json_schema": {"exclusiveMinimum": 0}}
_NOT_NEGATIVE = {"json_schema": {"minimum": 0}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """The crossing of section 7.6: lengths in m, times in s. How often a policy decides is the policy's own value."""

    min_green_s: float = field(metadata=_POSITIVE)
    yellow_s: float = field(metadata=_POSITIVE)
    all_red_s: float = field(metadata=_NOT_NEGATIVE)
    yellow_used_s: float = field(metadata=_NOT_NEGATIVE)
    start_up_lost_s: float = field(metadata=_NOT_NEGATIVE)
    max_green_s: float = field(metadata=_POSITIVE)
    episode_s: float = field(metadata=_POSITIVE)
    dx_m: float = field(metadata=_POSITIVE)
    dt_s: float = field(metadata=_POSITIVE)

    def __post_init__(self) -> None:
        faults = [
            f"{name} must be above 0 and finite, not {value}"
            for name, value in asdict(self).items()
            if not ((value >= 0.0 if name in _MAY_BE_ZERO else value > 0.0) and value < float("inf"))
        ]
        faults = faults or list(self._misfits())  # the second part divides by the values
        if faults:
            raise ValueError("\n".join(faults))

    def _misfits(self) -> Iterator[str]:
        """Values that do not fit together."""
        largest_dt_s = self.dx_m / FREE_SPEED_M_S
        if self.dt_s > largest_dt_s:
            yield f"dt_s must not exceed dx_m / {FREE_SPEED_M_S} m/s = {largest_dt_s:.4g} s (CFL), not {self.dt_s}"
        for name, value in asdict(self).items():
            if name not in ("dx_m", "dt_s") and value > 0.0:
                yield from _no_multiple(name, value, "dt_s", self.dt_s)
        yield from _no_multiple("episode_s", self.episode_s, "the arrival bin of 10 s", ARRIVAL_BIN_S)
        yield from _no_multiple("1 s, the time between two decisions", 1.0, "dt_s", self.dt_s)
        yield from _no_multiple("the link length of 300 m", LINK_LENGTH_M, "dx_m", self.dx_m)
        if self.min_green_s > self.max_green_s:
            yield f"min_green_s must not exceed max_green_s, but {self.min_green_s} > {self.max_green_s}"
        if self.yellow_used_s > self.yellow_s:
            yield f"yellow_used_s must not exceed yellow_s, but {self.yellow_used_s} > {self.yellow_s}"
        if self.start_up_lost_s >= self.min_green_s:
            yield f"start_up_lost_s must be below min_green_s, but {self.start_up_lost_s} is not"


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """What is evaluated.

    Attributes:
        families: Profile -> family -> severities, ascending and above 0; severity 0 is the nominal condition.
        controllers: Profile -> classical controllers, `actuated` among them; empty for all that section 7.6 tunes,
            except `webster`, whose plan knows the nominal demand in advance.
        tuning_scenarios: Hours of nominal demand on which the classical controllers are tuned, once.
    """

    families: Mapping[str, Mapping[str, tuple[float, ...]]]
    controllers: Mapping[str, tuple[str, ...]]
    tuning_scenarios: int = field(metadata={"json_schema": {"minimum": 1}})

    def __post_init__(self) -> None:
        faults = []
        for key, of_profiles in (("families", self.families), ("controllers", self.controllers)):
            faults += [f"{key} needs {name}" for name in _PROFILES if name not in of_profiles]
        for profile, families in self.families.items():
            faults += [fault for name, found in families.items() for fault in _severity_faults(profile, name, found)]
            if not families:
                faults.append(f"families.{profile} is empty")
        for profile, names in self.controllers.items():
            if (names and BASELINE not in names) or len(set(names)) != len(names):
                faults.append(f"controllers.{profile} must name {BASELINE}, and each controller once")
        if self.tuning_scenarios < 1:
            faults.append(f"tuning_scenarios must be above 0, not {self.tuning_scenarios}")
        if faults:
            raise ValueError("\n".join(faults))


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """When a policy counts as robust, fixed before any policy was evaluated.

    Attributes:
        max_ratio: Family, or `nominal` -> largest ratio of the policies' mean delay to that of actuated control under
            the same condition. It is met if the whole 95 % interval is within it at every severity.
        max_hour_ratio: Largest ratio in a single hour, of every policy and condition.
    """

    max_ratio: Mapping[str, float]
    max_hour_ratio: float = field(metadata=_POSITIVE)

    def __post_init__(self) -> None:
        known = (NOMINAL, *MOST_SEVERE)
        faults = [
            f"max_ratio.{name} is no family; known are {', '.join(known)}" for name in self.max_ratio.keys() - known
        ]
        limits = {**{f"max_ratio.{name}": limit for name, limit in self.max_ratio.items()}}
        limits["max_hour_ratio"] = self.max_hour_ratio
        faults += [
            f"{name} must be above 0 and finite, not {limit}"
            for name, limit in limits.items()
            if not 0.0 < limit < float("inf")
        ]
        if faults:
            raise ValueError("\n".join(faults))


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The section's own keys."""

    environment: Crossing
    study: Study
    criteria: Criteria

    def __post_init__(self) -> None:
        used = {NOMINAL, *(name for families in self.study.families.values() for name in families)}
        if lacking := sorted(used - self.criteria.max_ratio.keys()):
            raise ValueError(f"criteria.max_ratio needs a limit for {', '.join(lacking)}")


def _severity_faults(profile: str, family: str, severities: tuple[float, ...]) -> Iterator[str]:
    place = f"families.{profile}.{family}"
    most = MOST_SEVERE.get(family)
    if most is None:
        yield f"{place} is no family; known are {', '.join(MOST_SEVERE)}"
    elif not severities or any(not 0.0 < one <= most for one in severities):
        yield f"{place} needs severities above 0 and up to {most:g}, not {list(severities)}"
    elif list(severities) != sorted(set(severities)):
        yield f"{place} must ascend, not {list(severities)}"


def _no_multiple(name: str, value: float, unit_name: str, unit: float) -> Iterator[str]:
    count = round(value / unit)
    if count < 1 or abs(count * unit - value) > 1e-9 * value:
        yield f"{name} must be a multiple of {unit_name}" + ("" if unit_name.startswith("the") else f" = {unit}")
