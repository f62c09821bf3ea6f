"""Conservation and bounds, on roads and on the crossing with random demand and a signal that changes at random.

Vehicles: those that were there and those that arrived are there, wait at an entry, or left. Bounds: with w <= vf the
region `0 <= v, w_min <= w <= vf` is invariant, so `0 <= rho <= rho_jam` (Aw & Rascle, SIAM J. Appl. Math. 60(3), 2000).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from validation_ch7.section_7_3_analytical.checks.finding import Finding
from validation_ch7.section_7_3_analytical.checks.riemann import riemann_solutions
from validation_ch7.section_7_3_analytical.checks.setting import Setting
from validation_ch7.section_7_3_analytical.exact.law import Floats
from validation_ch7.section_7_3_analytical.road.problem import RoadProblem, grid, riemann_problem
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.demand import ScenarioAddress, Split, draw_scenarios

CHECK = "conservation"
BOUNDS_CHECK = "bounds"
_RANDOM_ROADS = 8
_SEED = 7_3  # of the random roads; it belongs to the method, not to the run
_PURPOSE = 73
"""Of the random signal: its numbers are independent of the demand's and of every controller's."""


@dataclass(frozen=True, kw_only=True)
class ConservationResult:
    """What was measured.

    Attributes:
        imbalance: What was simulated -> largest relative imbalance.
        excess: What was simulated -> largest excess over the bounds.
        courant: Largest Courant number at the crossing.
        hours: Hours at the crossing.
    """

    imbalance: Mapping[str, float]
    excess: Mapping[str, float]
    courant: float
    hours: int


def run(setting: Setting) -> ConservationResult:
    """Simulate roads, and one hour at the crossing for each scenario."""
    imbalance, excess, courant = _crossing(setting)
    imbalance |= _riemann_roads(setting)
    random_imbalance, excess["random roads"] = _random_roads(setting)
    imbalance["random roads, vehicles"] = random_imbalance
    return ConservationResult(imbalance=imbalance, excess=excess, courant=courant, hours=setting.hours)


def findings(result: ConservationResult, setting: Setting) -> Iterator[Finding]:
    """One number for each simulation."""
    criteria = setting.criteria
    for case, value in result.imbalance.items():
        yield Finding(check=CHECK, case=case, quantity="imbalance", value=value, high=criteria.mass_max_imbalance)
    for case, value in result.excess.items():
        yield Finding(check=BOUNDS_CHECK, case=case, quantity="excess", value=value, high=criteria.bounds_max_excess)
    yield Finding(
        check=BOUNDS_CHECK, case="crossing", quantity="Courant number", value=result.courant, high=criteria.max_courant
    )


def _riemann_roads(setting: Setting) -> dict[str, float]:
    """Vehicles and `rho w` on the roads of the Riemann cases, which end before a wave gets to the downstream end.

    Where traffic at the downstream end is congested, it starts to leave at capacity, so `rho w` leaves with the
    attribute of the state there.
    """
    law = setting.law
    problem = riemann_problem(list(riemann_solutions(law).values()), law, setting.cells[0])
    state = setting.solver(problem)
    dx_m, w_left, w_right = problem.parameters.dx_m, problem.w[:, 0], problem.w[:, -1]
    arrived, y_in = problem.arriving_veh.sum(axis=0), (problem.arriving_veh * problem.w_in).sum(axis=0)
    before, after = problem.rho.sum(axis=1) * dx_m, state.rho.sum(axis=1) * dx_m
    vehicles = before + arrived - after - state.waiting_veh - state.left_veh
    y_before, y_after = ((rho * w).sum(axis=1) * dx_m for rho, w in ((problem.rho, problem.w), (state.rho, state.w)))
    y = y_before + y_in - y_after - state.waiting_veh * w_left - state.left_veh * w_right
    return {
        "Riemann roads, vehicles": _largest(vehicles / (before + arrived)),
        "Riemann roads, rho w": _largest(y / (y_before + y_in)),
    }


def _random_roads(setting: Setting) -> tuple[float, float]:
    """Roads with random states of the whole region, vacuum and jam included, and more arrivals than fit."""
    law, cells = setting.law, setting.cells[0]
    parameters, n_steps = grid(law, cells, tau_s=setting.crossing.traffic.tau_s)
    draw = np.random.default_rng(_SEED)
    shape = (_RANDOM_ROADS, cells)
    w = law.vf_m_s * draw.uniform(0.5, 1.0, size=shape)
    fill = np.clip(draw.uniform(-0.3, 1.3, size=shape), 0.0, 1.0)  # about a fifth vacuum and a fifth jam
    w_in = law.vf_m_s * draw.uniform(0.5, 1.0, size=(n_steps, _RANDOM_ROADS))
    arriving = 2.0 * law.capacity_veh_s * parameters.dt_s * draw.uniform(size=(n_steps, _RANDOM_ROADS))
    problem = RoadProblem(parameters=parameters, rho=fill * law.density(w), w=w, arriving_veh=arriving, w_in=w_in)
    state = setting.solver(problem)
    dx_m = parameters.dx_m
    there = problem.rho.sum(axis=1) * dx_m + arriving.sum(axis=0)
    off = there - state.rho.sum(axis=1) * dx_m - state.waiting_veh - state.left_veh
    least_w = np.minimum(w.min(axis=1), w_in.min(axis=0))
    excess = [_excess(setting, state.rho[road], state.w[road], float(least_w[road])) for road in range(_RANDOM_ROADS)]
    return _largest(off / there), max_of([*excess, _largest(np.minimum(state.waiting_veh, 0.0))])


def _crossing(setting: Setting) -> tuple[dict[str, float], dict[str, float], float]:
    """An hour of random demand in each scenario; a random phase is requested every 10 s."""
    crossing = setting.crossing
    addresses = [ScenarioAddress(split=Split.TUNING, index=index) for index in range(setting.hours)]
    scenarios = draw_scenarios(addresses, episode_s=crossing.episode_s, vf_m_s=crossing.traffic.vf_m_s)
    simulation = CrossingSimulation(crossing, scenarios)
    phases = np.stack(
        [address.generator(purpose=_PURPOSE).integers(2, size=crossing.decisions_per_episode) for address in addresses]
    )
    least_w = min(float(scenario.w_in_m_s.min()) for scenario in scenarios)
    excess, fastest = [], []
    for phase in phases.T:
        simulation.request(np.ascontiguousarray(phase))
        simulation.advance(crossing.steps("decision_s"))
        traffic = simulation.traffic
        rho, w = traffic.rho, traffic.w
        excess.append(_excess(setting, rho, w, least_w))
        fastest.append(_fastest(setting, rho, w))
        excess.append(_largest(np.minimum(traffic.queue_veh, 0.0)))
    traffic = simulation.traffic
    arrived = np.array([scenario.arrivals_veh.sum() for scenario in scenarios])
    off = arrived - traffic.total_served_veh() - traffic.stored_veh()
    content = traffic.inside_veh - traffic.rho.sum(axis=1) * crossing.traffic.dx_m
    links = len(content) // setting.hours
    imbalance = {
        "crossing, vehicles": _largest(off / arrived),
        "crossing, count of vehicles on each link": _largest(content / np.tile(arrived, links)),
    }
    return imbalance, {"crossing": max_of(excess)}, max_of(fastest) * crossing.traffic.cell_ratio


def _fastest(setting: Setting, rho: Floats, w: Floats) -> float:
    """Largest characteristic speed, forward or backward, in m/s."""
    v = w - setting.law.pressure(rho)
    return float(np.maximum(np.abs(v), np.abs(setting.law.slow_speed(rho, v))).max())


def _excess(setting: Setting, rho: Floats, w: Floats, least_w: float) -> float:
    """Largest excess over the bounds of density (in jam densities) and of speed and attribute (in free speeds)."""
    law = setting.law
    v = w - law.pressure(rho)
    density = max_of([-float(rho.min()), float(rho.max()) - law.rho_jam_veh_m]) / law.rho_jam_veh_m
    speeds = [-float(v.min()), float(v.max()) - law.vf_m_s, least_w - float(w.min()), float(w.max()) - law.vf_m_s]
    return max_of([0.0, density, max_of(speeds) / law.vf_m_s])


def _largest(values: Floats) -> float:
    return float(np.abs(values).max())


def max_of(values: list[float]) -> float:
    """The largest, or NaN if one of them is NaN; `max` would lose it."""
    return float(np.max(values))
