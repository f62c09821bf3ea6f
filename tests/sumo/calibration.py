"""Measures how a queue discharges, with the same program in both simulators: saturation flow and lost times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from validation_ch7.section_7_6_rl_performance.controllers.fixed_time import FixedTimeController
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.arz import Floats
from validation_ch7.traffic.model.demand import ARRIVAL_BIN_S, DemandRanges, Scenario, ScenarioAddress, Split
from validation_ch7.traffic.numba_kernel.constants import N_APPROACHES

GREEN_S = 30.0
_SETTLED_S = 10.0
_WARM_CYCLES = 3
_ARRIVING_VEH = 4.0
"""Vehicles per approach and 10 s: 1,440 veh/h, far more than pass in half of the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Discharge:
    """How a standing queue leaves.

    Attributes:
        saturation_veh_h: Flow over an open stop line once it is steady, in veh/h.
        start_up_lost_s: Time lost at the start of a green, against that flow from its first moment, in s.
        yellow_used_s: Time after the green that vehicles still use, at that flow, in s.
    """

    saturation_veh_h: float
    start_up_lost_s: float
    yellow_used_s: float


def saturated(settings: EnvironmentSettings, index: int = 0) -> Scenario:
    """A scenario whose queues never end, with the drivers of ordinary scenarios."""
    bins = round(settings.episode_s / ARRIVAL_BIN_S)
    address = ScenarioAddress(split=Split.TUNING, index=index)
    shares = address.generator(purpose=2).uniform(*DemandRanges().w_share, size=(N_APPROACHES, bins))
    return Scenario(
        address=address,
        arrivals_veh=np.full((N_APPROACHES, bins), _ARRIVING_VEH),
        w_in_m_s=settings.traffic.vf_m_s * shares,
    )


def measure_discharge(simulation: CrossingSimulation, green_s: float = GREEN_S) -> Discharge:
    """Let a saturated crossing run under a fixed plan and count the vehicles that pass its stop lines.

    Args:
        simulation: The crossing at the start of a `saturated` scenario.
        green_s: Displayed green of both phases in s.

    Source:
        Highway Capacity Manual, 6th ed., ch. 31 (saturation flow and start-up lost time from a discharging queue).
    """
    settings = simulation.settings
    passed = _passed_by_step(simulation, FixedTimeController(green_s, green_s))
    half = settings.steps_in(green_s) + settings.signal_times().change_interval_steps
    by_cycle = _cycles(passed, half)
    after_s = np.arange(1, half + 1) * settings.traffic.dt_s
    steady = (after_s >= _SETTLED_S) & (after_s <= green_s)
    flow, start = np.polyfit(after_s[steady], by_cycle[steady], 1)
    in_yellow = by_cycle[-1] - by_cycle[settings.steps_in(green_s) - 1]
    return Discharge(
        saturation_veh_h=float(flow * 3600.0),
        start_up_lost_s=float(-start / flow),
        yellow_used_s=float(in_yellow / flow),
    )


def _passed_by_step(simulation: CrossingSimulation, plan: FixedTimeController) -> Floats:
    """Vehicles that have passed each stop line by the end of each step, shape (steps + 1, 4)."""
    settings, every = simulation.settings, simulation.settings.steps_in(plan.resolution_s)
    passed = [np.zeros(N_APPROACHES)]
    for step in range(settings.steps("episode_s")):
        if step % every == 0:
            simulation.request(plan.decide(simulation))
        simulation.advance(1)
        traffic = simulation.traffic
        passed.append(traffic.arrived_veh - traffic.queue_veh - traffic.inside_veh[:N_APPROACHES])
    return np.array(passed)


def _cycles(passed: Floats, half: int) -> Floats:
    """Vehicles since the start of the green, mean over cycles and approaches, shape (steps of half a cycle,)."""
    curves = []
    number = (len(passed) - 1) // (2 * half)
    for cycle in range(_WARM_CYCLES, number):
        for axis, first in ((slice(0, 2), 2 * cycle * half), (slice(2, 4), (2 * cycle + 1) * half)):
            since = passed[first + 1 : first + half + 1, axis] - passed[first, axis]
            curves.append(since.mean(axis=1))
    return np.mean(curves, axis=0)
