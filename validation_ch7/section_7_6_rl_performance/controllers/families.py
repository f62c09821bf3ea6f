"""The tuned controllers: how each is built from its parameters, and which parameters are tried.

Every family has at most nine candidates, so that none has the advantage of a finer search.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product

from validation_ch7.section_7_6_rl_performance.controllers.actuated import ActuatedController
from validation_ch7.section_7_6_rl_performance.controllers.fixed_time import FixedTimeController
from validation_ch7.section_7_6_rl_performance.controllers.interface import Controller
from validation_ch7.section_7_6_rl_performance.controllers.longest_queue import LongestQueueController
from validation_ch7.section_7_6_rl_performance.controllers.max_pressure import MaxPressureController
from validation_ch7.section_7_6_rl_performance.controllers.webster import WebsterController
from validation_ch7.traffic.env.settings import EnvironmentSettings

Parameters = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Controllers of one kind.

    Attributes:
        name: Name of the chosen controller in tables and figures.
        build: Builds a controller for a crossing.
        grid: The parameters to try, with units in their names.
    """

    name: str
    build: Callable[[EnvironmentSettings, Parameters], Controller]
    grid: tuple[Parameters, ...]


def grid_of(**axes: tuple[float, ...]) -> tuple[Parameters, ...]:
    """All combinations of the parameters' values; the last parameter varies fastest."""
    return tuple(dict(zip(axes, values, strict=True)) for values in product(*axes.values()))


# Short cycles lose capacity to change intervals, long ones increase waiting: the best plan lies between. Both axes
# have the same distribution of demand; the two uneven plans show that the grid would detect a difference.
_PLANS = tuple(
    {"green_ns_s": float(ns), "green_ew_s": float(ew)}
    for ns, ew in ((14, 14), (18, 18), (22, 22), (24, 24), (26, 26), (30, 30), (36, 36), (28, 20), (20, 28))
)

TUNED_FAMILIES: tuple[Family, ...] = (
    Family(name="fixed_time", build=lambda _, chosen: FixedTimeController(**chosen), grid=_PLANS),
    Family(
        name="webster",
        build=lambda settings, chosen: WebsterController(settings, **chosen),
        grid=grid_of(saturation_share=(0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 1.0)),
    ),
    Family(
        name="actuated",
        build=lambda _, chosen: ActuatedController(**chosen),
        grid=grid_of(gap_s=(1.5, 2.0, 2.5, 3.0), max_green_s=(40.0, 60.0)),
    ),
    Family(
        name="max_pressure",
        build=lambda _, chosen: MaxPressureController(**chosen),
        grid=grid_of(min_green_s=(14.0, 18.0), hysteresis_veh=(2.0, 5.0, 8.0, 12.0)),
    ),
    Family(
        name="longest_queue",
        build=lambda _, chosen: LongestQueueController(**chosen),
        grid=grid_of(min_green_s=(14.0, 18.0), hysteresis_veh=(0.0, 2.0, 4.0, 6.0)),
    ),
)
"""In the order of the tables."""

CLASSICAL = tuple(family.name for family in TUNED_FAMILIES)
"""Names of the controllers that a policy can be compared with."""
