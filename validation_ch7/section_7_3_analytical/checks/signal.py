"""A fixed-time signal: delay below capacity, flow and queue above it, against `exact.signal`.

Demand is uniform and every driver has w = vf, so that the formulas are exact for the model's equations. Webster's
further terms are for random arrivals and do not apply.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from validation_ch7.section_7_3_analytical.checks.finding import Finding
from validation_ch7.section_7_3_analytical.checks.setting import Setting
from validation_ch7.section_7_3_analytical.exact.law import Floats
from validation_ch7.section_7_3_analytical.exact.signal import capacity_veh_s, uniform_delay_s
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.demand import ARRIVAL_BIN_S, Scenario, ScenarioAddress, Split
from validation_ch7.traffic.numba_kernel.constants import N_APPROACHES
from validation_ch7.traffic.parameters import TrafficParameters

CHECK = "signal"
GREENS_S = ((26.0, 26.0), (36.0, 16.0))
"""Plans: green of north-south and of east-west; with the change intervals a cycle of 60 s."""

DEGREES = (0.3, 0.5, 0.7, 0.9)
"""Flows of the approaches N, S, E, W below capacity, as shares of the approach's capacity."""

OVERLOADS = (1.1, 1.2, 1.3, 1.5)
"""The same above capacity."""

REFINEMENTS = (1, 2, 4)
"""The crossing's own cells and steps, and finer ones."""

_CYCLES_BEFORE, _CYCLES = 30, 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Approach:
    """One approach under one plan.

    Attributes:
        plan: Greens of the plan in s.
        refinement: By how much cells and steps are shorter than the crossing's.
        degree: Flow as a share of the capacity.
        flow_veh_s: The flow.
        red_s: Effective red.
        cycle_s: The cycle.
        exact: Delay in s per vehicle below capacity; growth of the queue in veh/s above it.
        measured: The same, simulated.
        passed_veh_s: Simulated flow over the stop line.
        capacity_veh_s: Exact capacity.
        queue_veh: Vehicles before the stop line at the end of each cycle, from the first.
    """

    plan: tuple[float, float]
    refinement: int
    degree: float
    flow_veh_s: float
    red_s: float
    cycle_s: float
    exact: float
    measured: float
    passed_veh_s: float
    capacity_veh_s: float
    queue_veh: tuple[float, ...]

    @property
    def error_pct(self) -> float:
        """Relative error of `measured`."""
        return 100.0 * abs(self.measured / self.exact - 1.0)


def run(setting: Setting) -> tuple[Approach, ...]:
    """Simulate each plan on each refinement, below and above capacity."""
    return tuple(
        approach for refinement in REFINEMENTS for plan in GREENS_S for approach in _simulate(setting, plan, refinement)
    )


def findings(approaches: tuple[Approach, ...], setting: Setting) -> Iterator[Finding]:
    """Errors of delay, capacity and growth; capacity and growth on the crossing's own cells."""
    criteria = setting.criteria
    delay_limits = {1: criteria.webster_max_error_pct, REFINEMENTS[-1]: criteria.webster_refined_max_error_pct}
    for one in approaches:
        case = f"green {_green(one):g} s of {one.cycle_s:g} s, flow {one.degree:g} of capacity"
        cells = f"{setting.crossing.traffic.dx_m / one.refinement:g} m cells"
        if one.degree < 1.0 and one.refinement in delay_limits:
            yield Finding(
                check=CHECK,
                case=case,
                quantity=f"error of the delay, {cells}",
                value=one.error_pct,
                high=delay_limits[one.refinement],
                unit="%",
                exact=one.exact,
            )
        if one.degree > 1.0 and one.refinement == 1:
            passed = 100.0 * abs(one.passed_veh_s / one.capacity_veh_s - 1.0)
            for quantity, value, limit, exact in (
                ("error of the capacity", passed, criteria.capacity_max_error_pct, one.capacity_veh_s),
                ("error of the queue growth", one.error_pct, criteria.growth_max_error_pct, one.exact),
            ):
                yield Finding(check=CHECK, case=case, quantity=quantity, value=value, high=limit, unit="%", exact=exact)


def _green(approach: Approach) -> float:
    """Effective green."""
    return approach.cycle_s - approach.red_s


def _finer(crossing: EnvironmentSettings, refinement: int) -> EnvironmentSettings:
    own = crossing.traffic
    traffic = own.describe() | {"dx_m": own.dx_m / refinement, "dt_s": own.dt_s / refinement}
    return EnvironmentSettings(traffic=TrafficParameters(**traffic))


def _simulate(setting: Setting, plan: tuple[float, float], refinement: int) -> Iterator[Approach]:
    """One crossing below and one above capacity, side by side in a batch."""
    crossing, law = _finer(setting.crossing, refinement), setting.law
    saturation, change_s = law.capacity_veh_s, crossing.yellow_s + crossing.all_red_s
    cycle_s = sum(plan) + 2.0 * change_s
    # The effective green is the displayed one, without the time lost at its start and with the used part of the yellow.
    longer_s = crossing.yellow_used_s - crossing.start_up_lost_s
    red_s = cycle_s - np.repeat(np.array(plan) + longer_s, N_APPROACHES // 2)
    capacity = np.array([capacity_veh_s(saturation_veh_s=saturation, red_s=red, cycle_s=cycle_s) for red in red_s])
    flows = np.array([DEGREES, OVERLOADS]).T * capacity[:, None]  # approaches, scenarios
    spent_s, queue_veh, grown = _drive(crossing, plan, change_s, cycle_s, flows)
    free_s = crossing.traffic.link_length_m / law.free_speed_of_flow(flows[:, 0])
    measured_s = _CYCLES * cycle_s
    for place, red in enumerate(red_s):
        below, above = (float(flow) for flow in flows[place])
        growths = grown[place] / measured_s
        under = Approach(
            plan=plan,
            refinement=refinement,
            red_s=float(red),
            cycle_s=cycle_s,
            capacity_veh_s=float(capacity[place]),
            degree=DEGREES[place],
            flow_veh_s=below,
            exact=uniform_delay_s(flow_veh_s=below, saturation_veh_s=saturation, red_s=float(red), cycle_s=cycle_s),
            measured=float(spent_s[place, 0] / (below * measured_s) - free_s[place]),
            passed_veh_s=float(below - growths[0]),
            queue_veh=tuple(map(float, queue_veh[:, place, 0])),
        )
        yield under
        yield replace(
            under,
            degree=OVERLOADS[place],
            flow_veh_s=above,
            exact=above - under.capacity_veh_s,
            measured=float(growths[1]),
            passed_veh_s=float(above - growths[1]),
            queue_veh=tuple(map(float, queue_veh[:, place, 1])),
        )


def _drive(
    crossing: EnvironmentSettings, plan: tuple[float, float], change_s: float, cycle_s: float, flows: Floats
) -> tuple[Floats, Floats, Floats]:
    """Time before the stop line, vehicles there at each cycle's end, and their growth, after the first cycles.

    Returns:
        Vehicle-seconds, shape (4, scenarios); vehicles, shape (cycles, 4, scenarios); vehicles, shape (4, scenarios).
    """
    bins = int(np.ceil((_CYCLES_BEFORE + _CYCLES) * cycle_s / ARRIVAL_BIN_S))
    scenarios = [
        Scenario(
            address=ScenarioAddress(split=Split.TUNING, index=index),
            arrivals_veh=np.tile(column[:, None] * ARRIVAL_BIN_S, (1, bins)),
            w_in_m_s=np.full((N_APPROACHES, bins), crossing.traffic.vf_m_s),
        )
        for index, column in enumerate(flows.T)
    ]
    simulation = CrossingSimulation(crossing, scenarios)
    traffic, n = simulation.traffic, len(scenarios)
    lanes = N_APPROACHES * n

    def time_before() -> Floats:
        return np.asarray((traffic.time_veh_s[:lanes] + traffic.queue_time_veh_s).reshape(N_APPROACHES, n))

    def stored() -> Floats:
        inside = traffic.rho[:lanes].sum(axis=1) * crossing.traffic.dx_m
        return np.asarray((inside + traffic.queue_veh).reshape(N_APPROACHES, n))

    at_ends, spent_before, stored_before = [], np.zeros((N_APPROACHES, n)), np.zeros((N_APPROACHES, n))
    for cycle in range(_CYCLES_BEFORE + _CYCLES):
        if cycle == _CYCLES_BEFORE:
            spent_before, stored_before = time_before(), stored()
        for phase, green_s in enumerate(plan):
            waits_s = green_s if cycle == 0 and phase == 0 else green_s + change_s
            simulation.advance(crossing.steps_in(waits_s))
            simulation.request(np.full(n, 1 - phase))
        at_ends.append(stored())
    return time_before() - spent_before, np.array(at_ends), stored() - stored_before
