"""The tuned controllers: how each is built from its parameters, and which parameters are tried.

Every searched family has 25 candidates, so that none has the advantage of a finer search. Rollout is not searched: it
has the parameters that were chosen for actuated control, and a look-ahead that is the same for every card. One of its
candidates takes thirty times as long as one of another family, and a search could only make it stronger.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from validation_ch7.section_7_6_rl_performance.controllers.actuated import ActuatedController
from validation_ch7.section_7_6_rl_performance.controllers.fixed_time import FixedTimeController
from validation_ch7.section_7_6_rl_performance.controllers.interface import Controller
from validation_ch7.section_7_6_rl_performance.controllers.longest_queue import LongestQueueController
from validation_ch7.section_7_6_rl_performance.controllers.look_ahead import LookAhead
from validation_ch7.section_7_6_rl_performance.controllers.max_pressure import MaxPressureController
from validation_ch7.section_7_6_rl_performance.controllers.rollout import RolloutController
from validation_ch7.section_7_6_rl_performance.controllers.sotl import SotlController
from validation_ch7.section_7_6_rl_performance.controllers.webster import WebsterController
from validation_ch7.traffic.env.settings import EnvironmentSettings

Parameters = Mapping[str, float]

Limits = Mapping[str, tuple[float | None, float | None]]
"""Axis -> its least and its greatest sensible value, None where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Controllers of one kind.

    Attributes:
        name: Name of the chosen controller in tables and figures.
        build: Builds a controller for a crossing.
        grid: The parameters to try, with units in their names.
        axes: A candidate -> its place on each axis of the grid; the parameters themselves unless given.
        limits: For a crossing, the natural limits of axes: nothing beyond them exists, or has another effect.
        base: The family whose chosen parameters are its only candidate, instead of a grid; None for a searched family.
    """

    name: str
    build: Callable[[EnvironmentSettings, Mapping[str, Any]], Controller]
    grid: tuple[Parameters, ...] = ()
    axes: Callable[[Parameters], Parameters] = dict
    limits: Callable[[EnvironmentSettings], Limits] = lambda _: {}
    base: str | None = None


def grid_of(**axes: tuple[float, ...]) -> tuple[Parameters, ...]:
    """All combinations of the parameters' values; the last parameter varies fastest."""
    return tuple(dict(zip(axes, values, strict=True)) for values in product(*axes.values()))


# Both axes have the same distribution of demand, so equal greens are the best for it; a small difference that is better
# in twenty hours would be chance. The eight uneven plans show that the grid would detect a true difference.
_EQUAL_S = (12, 14, 16, 18, 20, 22, 23, 24, 25, 26, 27, 28, 30, 32, 36, 40, 48)
_UNEVEN_S = ((20, 28), (28, 20), (22, 30), (30, 22), (24, 36), (36, 24), (18, 34), (34, 18))
_PLANS = tuple(
    {"green_ns_s": float(ns), "green_ew_s": float(ew)} for ns, ew in (*((one, one) for one in _EQUAL_S), *_UNEVEN_S)
)


def _mean_and_difference(plan: Parameters) -> Parameters:
    ns_s, ew_s = plan["green_ns_s"], plan["green_ew_s"]
    return {"mean_green_s": (ns_s + ew_s) / 2.0, "green_ns_s - green_ew_s": ns_s - ew_s}


def _whole_steps(first: float, last: float, step: float) -> tuple[float, ...]:
    return tuple(round(first + step * place, 10) for place in range(round((last - first) / step) + 1))


def _green_limits(settings: EnvironmentSettings) -> Limits:
    return {name: (settings.min_green_s, settings.max_green_s) for name in ("min_green_s", "max_green_s")}


# The first and last values of every axis are clearly worse than the best one, or a limit of the crossing itself.
TUNED_FAMILIES: tuple[Family, ...] = (
    Family(
        name="fixed_time",
        build=lambda _, chosen: FixedTimeController(**chosen),
        grid=_PLANS,
        axes=_mean_and_difference,
        limits=lambda settings: {"mean_green_s": (settings.min_green_s, settings.max_green_s)},
    ),
    Family(
        name="webster",
        build=lambda settings, chosen: WebsterController(settings, **chosen),
        grid=grid_of(saturation_share=_whole_steps(0.4, 1.0, 0.025)),
        limits=lambda _: {"saturation_share": (0.0, 1.0)},
    ),
    Family(
        name="actuated",
        build=lambda _, chosen: ActuatedController(**chosen),
        grid=grid_of(gap_s=(1.0, 1.25, 1.5, 1.75, 2.5), max_green_s=(30.0, 45.0, 60.0, 80.0, 120.0)),
        limits=_green_limits,
    ),
    Family(
        name="max_pressure",
        build=lambda _, chosen: MaxPressureController(**chosen),
        grid=grid_of(min_green_s=(6.0, 9.0, 12.0, 15.0, 20.0), hysteresis_veh=(1.0, 3.0, 6.0, 8.0, 12.0)),
        limits=lambda settings: {**_green_limits(settings), "hysteresis_veh": (0.0, None)},
    ),
    Family(
        name="longest_queue",
        build=lambda _, chosen: LongestQueueController(**chosen),
        grid=grid_of(min_green_s=(6.0, 10.0, 14.0, 18.0, 24.0), hysteresis_veh=(0.0, 1.0, 2.0, 4.0, 8.0)),
        limits=lambda settings: {**_green_limits(settings), "hysteresis_veh": (0.0, None)},
    ),
    Family(
        name="sotl",
        build=lambda _, chosen: SotlController(**chosen),
        # The distance varies slowest: candidates that are simulated together then share their counts.
        grid=grid_of(platoon_m=(10.0, 20.0, 30.0, 50.0, 80.0), threshold_veh_s=(2.0, 6.0, 12.0, 24.0, 60.0)),
        limits=lambda settings: {"platoon_m": (settings.traffic.dx_m, None)},
    ),
    Family(
        name="rollout",
        build=lambda settings, chosen: RolloutController(settings, LookAhead(**chosen)),
        base="actuated",
    ),
)
"""In the order of the tables."""

CLASSICAL = tuple(family.name for family in TUNED_FAMILIES)
"""Names of the controllers that a policy can be compared with."""
